"""Where libraries may write when there is no home: robots run as users without one."""

import multiprocessing.util
import os
import stat
import tempfile
from pathlib import Path

# /pymp-xxxxxxxx/listener-xxxxxxxx follow, of the 107 bytes of a socket's path (unix(7)).
LONGEST_FOLDER, SHORT_FOLDER = 70, '/tmp'


def matplotlib_environment() -> dict[str, str]:
    """Return what must be in the environment before matplotlib is imported, as MediaPipe does.

    Without a place for its cache it makes a new one at each start, and says so at length.
    """
    if os.environ.get('MPLCONFIGDIR'):
        return {}
    home = os.environ.get('HOME', '~')  # empty, it is the working directory: no home
    bases = [
        os.environ.get('XDG_CONFIG_HOME') or (home and f'{home}/.config'),
        os.environ.get('XDG_CACHE_HOME') or (home and f'{home}/.cache'),
    ]
    if all(base and _is_writable(base, 'matplotlib') for base in bases):
        return {}
    return {'MPLCONFIGDIR': str(own_temporary() / 'matplotlib')}


def data_home() -> Path:
    """Return where a user's own data lie, by the custom of XDG; it need not exist."""
    asked = os.environ.get('XDG_DATA_HOME', '')
    if Path(asked).is_absolute():
        return Path(asked)
    home = os.environ.get('HOME', '')
    # Without a home it is a folder that is this user's alone, until the machine starts anew.
    return Path(home) / '.local' / 'share' if home else own_temporary()


def cache_home() -> Path:
    """Return where this package keeps what can be made anew; RuntimeError without a home."""
    base = Path(os.environ.get('XDG_CACHE_HOME', ''))
    return (base if base.is_absolute() else Path.home() / '.cache') / 'bharnet_ros'


def settle_ros_logs() -> Path | None:
    """See that ROS, which does not start without, has a place for its logs; return a new one."""
    if os.environ.get('ROS_LOG_DIR'):
        return None
    home = os.environ.get('ROS_HOME') or os.environ.get('HOME', '')
    inner = ('log',) if os.environ.get('ROS_HOME') else ('.ros', 'log')
    if home and _is_writable(home, *inner):
        return None
    folder = own_temporary() / 'ros_log'
    os.environ['ROS_LOG_DIR'] = str(folder)
    return folder


def settle_sockets() -> None:
    """See that multiprocessing has a place for its sockets; call it before processes of loaders.

    It makes them in the folder of temporary files, and their paths may have 107 bytes only.
    """
    asked = tempfile.gettempdir()
    if len(os.fsencode(asked)) <= LONGEST_FOLDER:
        return
    tempfile.tempdir = SHORT_FOLDER
    try:
        multiprocessing.util.get_temp_dir()  # it makes one and keeps to it
    except OSError:
        pass  # that folder cannot be written: it will say itself what it lacks
    finally:
        tempfile.tempdir = asked


def own_temporary() -> Path:
    """Return a folder for temporary files that is this user's alone, the same at each start."""
    folder = Path(tempfile.gettempdir()) / f'bharnet_ros-{os.geteuid()}'
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        private = status.st_uid == os.geteuid() and not status.st_mode & 0o077
        if stat.S_ISDIR(status.st_mode) and private:
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix='bharnet_ros-'))  # somebody else made it


def _is_writable(base: str, *inner: str) -> bool:
    try:
        folder = Path(base).expanduser().joinpath(*inner)
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK | os.X_OK)
    except (OSError, RuntimeError):  # or the home of nobody
        return False
