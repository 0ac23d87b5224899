"""The folder of a trained run: its recipe and its weights."""

import io
import json
from pathlib import Path

import torch
from jsonargparse import ArgumentParser
from torch import nn

from bharnet_ros.errors import reason_of
from bharnet_ros.system.writing import whole_file, write_text

from .errors import DataError, TrainingError
from .recipe import RunConfig
from .run_files import BEGUN, RUN, WEIGHTS, differences, recipe_text
from .train import network


def begin_run(recipe: RunConfig, resume: bool) -> None:
    """Note in the run's folder what it is of; TrainingError if it resumes another recipe."""
    text, begun = recipe_text(recipe), recipe.out / BEGUN
    if resume and begun.is_file() and (changed := differences(begun.read_text(), text)):
        raise TrainingError(
            f'{recipe.out} was begun with another recipe ({", ".join(changed)}): '
            'resume with the same, or choose another folder'
        )
    recipe.out.mkdir(parents=True, exist_ok=True)
    write_text(begun, text)


def write_run(recipe: RunConfig, model: nn.Module) -> None:
    """Write a trained network and its recipe to the run's folder."""
    weights = io.BytesIO()  # PyTorch does not say which file had no room
    torch.save(model.state_dict(), weights)
    with whole_file(recipe.out / WEIGHTS) as partial:
        partial.write_bytes(weights.getvalue())
    write_text(recipe.out / RUN, recipe_text(recipe))


def read_run(run: Path) -> RunConfig:
    """Return the config that `train` wrote into the folder `run`."""
    file = run / RUN
    if not file.is_file() or not (run / WEIGHTS).is_file():
        raise DataError(f'{run} holds no trained run; `bharnet-train train` makes one')
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(RunConfig, 'recipe')
    try:
        data = {'recipe': json.loads(file.read_text())}
        return parser.instantiate(parser.parse_object(data)).recipe
    except Exception as error:
        raise DataError(f'{file} is no recipe of this version: {reason_of(error, 200)}') from error


def read_model(run: Path, config: RunConfig, classes: int) -> nn.Module:
    """Return the trained network of a run."""
    model = network(config, classes)
    try:
        model.load_state_dict(torch.load(run / WEIGHTS, weights_only=True))
    except Exception as error:
        raise DataError(
            f'{run / WEIGHTS} does not fit its {RUN}: {reason_of(error, 200)}'
        ) from error
    return model.eval()
