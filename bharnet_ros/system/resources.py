"""Files that come with the package: models, configs, message definitions."""

import sys
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

SOURCE_TREE = Path(__file__).parents[1]


def share_dir() -> Path:
    """Return the installed share folder; in a source tree that is not installed, the tree."""
    try:
        return Path(get_package_share_directory('bharnet_ros'))
    except (PackageNotFoundError, OSError):  # OSError: no AMENT_PREFIX_PATH, ROS is not set up
        installed = Path(sys.prefix) / 'share' / 'bharnet_ros'
        return installed if installed.is_dir() else SOURCE_TREE
