"""Real-time recognition of human actions from body and hand keypoints."""

import pkgutil

# Generated message code (bharnet_ros.msg) and the training subpackage (bharnet_ros.training) are
# installed beside this package; without this line a run from the source tree would hide them.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = '0.1.0'
