"""Files that come with the package: models, configs, message definitions."""

from pathlib import Path

PACKAGE = Path(__file__).absolute().parents[1]
SOURCE_TREE = PACKAGE.parent


def share_dir() -> Path:
    """Return the installed share folder; in a source tree that is not installed, the tree.

    ROS is asked first, but need not be there.
    """
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory('bharnet_ros'))
    # No ament; no such package in its index (a KeyError); no AMENT_PREFIX_PATH at all.
    except (ImportError, LookupError, OSError):
        return _beside(PACKAGE) or SOURCE_TREE


def _beside(package: Path) -> Path | None:
    """Return the share folder of the prefix that a package was installed into by pip, if any."""
    shares = (folder / 'share' / package.name for folder in package.parents)
    return next((share for share in shares if (share / 'models').is_dir()), None)
