"""Training of BHaRNet on skeleton clips: the only part of the package that needs PyTorch."""

import os

from bharnet_ros.system.places import matplotlib_environment

os.environ.update(matplotlib_environment())  # here, because libraries of training import it, too
