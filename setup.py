"""`pip install .`: the Python packages, and the messages by the same CMakeLists as colcon's.

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


def ros_prefix() -> Path:
    """Return the prefix of the ROS wheels that pyproject.toml asked for."""
    spec = importlib.util.find_spec('rosidl_cmake')
    if spec is None or spec.origin is None:
        raise SystemExit(
            'error: rosidl is not installed here; build with `pip install .` (with '
            'build isolation), or with colcon on a Jazzy install'
        )
    return Path(spec.origin).resolve().parents[4]


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
            if file.is_file() and file.suffix in ('.py', '.so', '.yaml', '.txt'):
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


setup(
    packages=[
        *find_packages(include=[NAME, f'{NAME}.*']),
        f'{NAME}.training',
        *(f'{NAME}.training.{name}' for name in find_packages('training')),
    ],
    package_dir={f'{NAME}.training': 'training'},
    package_data={f'{NAME}.training': ['recipes/*.yaml']},
    distclass=BinaryDistribution,
    cmdclass={'build_py': BuildWithInterfaces},
)
