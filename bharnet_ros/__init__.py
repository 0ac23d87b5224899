"""Real-time recognition of human actions from body and hand keypoints."""

import os
import pkgutil

# OpenCV reads these once, when it is imported, so before any module here does.
# It and its FFmpeg print pages of their own on a bad file; our one line says it better.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
# A compressed image of some kB can claim any size; 8K is 33.2 million pixels.
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(2 ** 25))

# Generated message code (bharnet_ros.msg) and the training subpackage (bharnet_ros.training) are
# installed beside this package; without this line a run from the source tree would hide them.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = '0.1.0'
