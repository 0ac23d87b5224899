"""Files that come with the package: models, configs, message definitions."""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

SOURCE_TREE = Path(__file__).parents[1]


def share_dir() -> Path:
    """Return the installed share folder; in a source tree that is not installed, the tree."""
    try:
        return Path(get_package_share_directory('bharnet_ros'))
    except PackageNotFoundError:
        return SOURCE_TREE
