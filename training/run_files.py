"""The files of a trained run, and what another training takes over from them."""

import json
from dataclasses import asdict

import torch
from torch import Tensor

from bharnet_ros.errors import reason_of
from bharnet_ros.system.resources import share_dir

from .errors import DataError
from .recipe import RunConfig

WEIGHTS, RUN, BEGUN = 'weights.pt', 'run.json', 'begun.json'
SHIPPED = 'encoder'  # the run that comes along, in models/
HEADS = ('heads.', 'expert_heads.', 'head.')  # of classes, which another training does not have


def recipe_text(recipe: RunConfig) -> str:
    """Return a recipe as JSON."""
    return json.dumps(asdict(recipe), indent=1, default=str)


def differences(a: str, b: str) -> list[str]:
    """Return the names of the settings in which two recipes, as JSON, differ."""

    def leaves(value: object, name: str) -> dict[str, object]:
        if not isinstance(value, dict):
            return {name: value}
        return {
            key: leaf
            for part, inner in value.items()
            for key, leaf in leaves(inner, f'{name}.{part}' if name else part).items()
        }

    one, other = (leaves(json.loads(text), '') for text in (a, b))
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def initial_state(config: RunConfig) -> dict[str, Tensor]:
    """Return the weights that a recipe starts from: all of `init_from` but those of its classes.

    Raises DataError if that is no run, or one of another network.
    """
    run = config.init_from
    if str(run) == SHIPPED and not run.exists():
        run = share_dir() / 'models' / SHIPPED
    if config.ensemble:
        raise DataError(
            'init_from is for one network; train the members of an ensemble one by one'
        )
    try:
        model = json.dumps(json.loads((run / RUN).read_text())['model'])
        state = torch.load(run / WEIGHTS, weights_only=True)
    except Exception as error:
        raise DataError(
            f'init_from: {run} holds no trained run ({reason_of(error, 120)}); give the folder '
            f'that `bharnet-train train` wrote, or {SHIPPED}'
        ) from error
    if changed := differences(model, json.dumps(asdict(config.model), default=str)):
        raise DataError(
            f"init_from: {run} is another network than the recipe's: model."
            f'{", model.".join(changed)}; take its `model` over from {run / RUN}'
        )
    return {name: value for name, value in state.items() if not name.startswith(HEADS)}
