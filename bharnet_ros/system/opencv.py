"""OpenCV, told to be silent and careful, which it can only be told before it is imported.

All our modules take it from here. Not in the package's `__init__`, because that is also imported
by nodes of other people that only want our messages.
"""

import os

# OpenCV and its FFmpeg print pages of their own on a bad file; our one line says it better.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
# A compressed image of some kB can claim any size; 8K is 33.2 million pixels.
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(2**25))

import cv2

__all__ = ['cv2']
