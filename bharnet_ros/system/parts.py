"""Parts that an installation may leave out, such as ROS 2, and one line that says so."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bharnet_ros.errors import BharnetError, reason_of


@dataclass(frozen=True)
class Part:
    """A part, and how it is installed."""

    name: str
    advice: str


ROS = Part(
    'ROS 2',
    'source a workspace that holds this package, or run '
    "BHARNET_MESSAGES=1 pip install '.[ros]' in its source tree",
)
TRAINING = Part(
    'the training side', "run pip install '.[training]' or make training in the source tree"
)
HRI = Part(
    'hri_msgs', 'run apt install ros-jazzy-hri-msgs, or build it from source in your workspace'
)
PEOPLE = Part('the detector of several people', "run pip install '.[people]' in the source tree")
STUDIO = Part('the page', "run pip install '.[studio]' in the source tree")


class MissingPartError(BharnetError):
    """Something was asked for that this installation left out."""


@contextmanager
def needing(part: Part) -> Iterator[None]:
    """Turn a failed import into MissingPartError, which says what to install."""
    try:
        yield
    except ImportError as error:  # also a shared library that is not found
        raise MissingPartError(
            f'{part.name} is not installed, or not set up in this shell ({reason_of(error)}); '
            f'{part.advice}'
        ) from error


def run_program(module: str, part: Part) -> None:
    """Call `main` of a module that imports a part; one line and status 1 where that is missing."""
    try:
        with needing(part):
            main = importlib.import_module(module).main
    except MissingPartError as error:
        sys.exit(f'error: {error}')
    main()
