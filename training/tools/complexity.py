"""Parameters and multiply-accumulates of a network."""

from dataclasses import dataclass, replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from bharnet_ros.layouts import DATA_LAYOUTS

from ..networks.bharnet import ModelConfig, build
from ..recipe import RunConfig


@dataclass(frozen=True)
class Complexity:
    """Size and work of one network for one window."""

    name: str
    parameters: int
    macs: int  # multiply-accumulates of convolutions and matrix products, preprocessing included


def window(
    config: ModelConfig, steps: int, persons: int, batch: int = 1
) -> tuple[torch.Tensor, ...]:
    """Return `batch` windows of zeros, all parts seen, in the shapes that a network takes."""
    crops = config.picture and config.picture.crops
    layout = DATA_LAYOUTS[config.preprocess.layout]
    lead = (batch, persons, steps)
    hand = torch.zeros(*lead, len(layout.hand), 3)
    return (
        torch.zeros(*lead, len(layout.body), layout.body_channels),
        hand,
        hand,
        torch.ones(*lead, 3),
        torch.ones(batch),
        *((torch.zeros(batch, crops.frames, *crops.shape, dtype=torch.uint8),) if crops else ()),
    )


def complexity(
    name: str, config: ModelConfig, classes: int, steps: int, persons: int
) -> Complexity:
    """Count by torch's own counter, which sees every convolution and matrix product."""
    model = build(config, classes).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*window(config, steps, persons))
    return Complexity(
        name, sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2
    )


def variants(config: ModelConfig) -> dict[str, ModelConfig]:
    """Return the baselines and variants that can be made of a model with two streams."""
    if config.body is None or config.hand is None:
        raise ValueError('variants are made of a model with a body and a hand stream')
    experts = config.experts or 1
    base = replace(config, pool='gap', experts=0)
    made = {
        'body only': replace(base, hand=None),
        'hands only': replace(base, body=None),
        'base': base,
        'P': replace(base, pool='pam'),
        'E': replace(base, experts=experts),
        'P and E': replace(base, pool='pam', experts=experts),
    }
    if DATA_LAYOUTS[config.preprocess.layout].space == 'image':
        made['unified graph'] = replace(base, body=None, hand=None, unified=config.hand)
    return made


def complexity_table(recipe: RunConfig, classes: int, persons: int) -> list[Complexity]:
    """Count the recipe's own model, and its variants if it has two streams."""
    model = recipe.model
    named = {'recipe': model}
    if model.body is not None and model.hand is not None:
        named |= variants(model)
    return [
        complexity(name, config, classes, recipe.steps, persons) for name, config in named.items()
    ]
