"""bharnet-train: data, training, evaluation, export. See docs/training.md."""

import difflib
import logging
import re
import sys
import warnings
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn, get_args, get_type_hints

import torch
from jsonargparse import CLI, ArgumentParser
from lightning.fabric.utilities.exceptions import MisconfigurationException

from bharnet_ros.errors import BharnetError, one_line

from .datasets.extract import extract
from .datasets.importers.arrays import import_arrays
from .datasets.importers.ntu import import_ntu
from .datasets.importers.nucla import import_nucla
from .datasets.importers.pku import import_pku
from .datasets.importers.public import import_public
from .datasets.importers.pyskl import import_pyskl
from .datasets.importers.streams import import_streams
from .recipe import RunConfig
from .tools.look import look
from .verbs.data import bag, demo_recording, describe, held_set, labels, plot, validate
from .verbs.learning import export_run, train
from .verbs.machine import benchmark, complexity, loader_benchmark, measure_latency
from .verbs.scoring import compare, evaluate, few_shot, online, strangers, test

COMMANDS = {
    'import': {
        'arrays': import_arrays,
        'ntu': import_ntu,
        'pku': import_pku,
        'nucla': import_nucla,
        'pyskl': import_pyskl,
        'streams': import_streams,
        'public': import_public,
    },
    'extract': extract,
    'validate': validate,
    'describe': describe,
    'labels': labels,
    'look': look,
    'plot': plot,
    'bag': bag,
    'train': train,
    'evaluate': evaluate,
    'test': test,
    'compare': compare,
    'online': online,
    'strangers': strangers,
    'few-shot': few_shot,
    'export': export_run,
    'complexity': complexity,
    'latency': measure_latency,
    'bench': benchmark,
    'loader-benchmark': loader_benchmark,
    'demo-recording': demo_recording,
    'held-set': held_set,
}


# The library's words for a key in a file, a key of a command, and an option that do not exist.
UNKNOWN_SETTING = re.compile(
    r"(?:Option '|accept option '|unrecognized arguments: --)(?P<name>[\w.]+)"
)
USAGE_LINES = 4  # of a usage that is still read; a longer one buries the reason


class Parser(ArgumentParser):
    """Says what is wrong first and how it is used after; takes no option by its beginning."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{'allow_abbrev': False} | kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print reason and usage, and exit with 2; where asked to raise, raise."""
        if not self.exit_on_error:
            super().error(message, ex)
        parser = getattr(ex, 'subcommand_parser', None) or self
        command = parser.prog.replace(' [options]', '')
        usage = parser.format_usage()
        if len(usage.splitlines()) > USAGE_LINES:
            usage = f'usage: {command} --OPTION VALUE ...\n'
        sys.stderr.write(f'error: {one_line(message)}{suggestion(message)}\n')
        sys.stderr.write(f'{usage}`{command} --help` tells all options\n')
        self.exit(2)


def suggestion(message: str) -> str:
    """Return what was probably meant where an error names a setting that does not exist."""
    found = UNKNOWN_SETTING.search(message)
    if found is None:
        return ''
    close = difflib.get_close_matches(
        found['name'].rsplit('.', 1)[-1], sorted(settings_of(RunConfig))
    )
    return f"; did you mean '{close[0]}'?" if close else ''


def settings_of(config: type) -> set[str]:
    """Return the names of all settings in a dataclass and in those that it holds."""
    hints, names = get_type_hints(config), set()
    for item in fields(config):
        names.add(item.name)
        for kind in (hints[item.name], *get_args(hints[item.name])):
            if is_dataclass(kind):
                names |= settings_of(kind)
    return names


def main() -> None:
    """Run the command line; one plain line for an error that the user can mend."""
    for category in (UserWarning, FutureWarning):  # libraries talking to their developers
        warnings.filterwarnings('ignore', category=category)
    for name in ('lightning.pytorch', 'lightning.fabric', 'torch.onnx'):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        CLI(COMMANDS, prog='bharnet-train', as_positional=False, parser_class=Parser)
    except torch.OutOfMemoryError:
        sys.exit('error: the GPU has not enough memory; take a smaller recipe.optim.batch')
    except (BharnetError, MisconfigurationException, ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
