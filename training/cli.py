"""bharnet-train: data, training, evaluation, export. See docs/training.md."""

import logging
import sys
import warnings

import torch
from jsonargparse import CLI
from lightning.fabric.utilities.exceptions import MisconfigurationException

from bharnet_ros.errors import BharnetError

from .datasets.extract import extract
from .datasets.importers.arrays import import_arrays
from .datasets.importers.ntu import import_ntu
from .datasets.importers.nucla import import_nucla
from .datasets.importers.pku import import_pku
from .datasets.importers.pyskl import import_pyskl
from .verbs.data import demo_recording, describe, plot, validate
from .verbs.learning import export_run, train
from .verbs.machine import benchmark, complexity, loader_benchmark, measure_latency
from .verbs.scoring import compare, evaluate, online, test

COMMANDS = {
    'import': {
        'arrays': import_arrays,
        'ntu': import_ntu,
        'pku': import_pku,
        'nucla': import_nucla,
        'pyskl': import_pyskl,
    },
    'extract': extract,
    'validate': validate,
    'describe': describe,
    'plot': plot,
    'train': train,
    'evaluate': evaluate,
    'test': test,
    'compare': compare,
    'online': online,
    'export': export_run,
    'complexity': complexity,
    'latency': measure_latency,
    'bench': benchmark,
    'loader-benchmark': loader_benchmark,
    'demo-recording': demo_recording,
}


def main() -> None:
    """Run the command line; one plain line for an error that the user can mend."""
    for category in (UserWarning, FutureWarning):  # libraries talking to their developers
        warnings.filterwarnings('ignore', category=category)
    for name in ('lightning.pytorch', 'lightning.fabric', 'torch.onnx'):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        CLI(COMMANDS, prog='bharnet-train', as_positional=False)
    except torch.OutOfMemoryError:
        sys.exit('error: the GPU has not enough memory; take a smaller recipe.optim.batch')
    except (BharnetError, MisconfigurationException, ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
