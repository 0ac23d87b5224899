"""Recipes that cannot be."""

import pytest

from bharnet_ros.training.recipe import OptimConfig
from bharnet_ros.training.windows.splits import SplitConfig
from support.training import (
    config,
)


@pytest.mark.parametrize(
    'bad',
    [
        lambda: config(steps=9),
        lambda: OptimConfig(optimizer='adam'),
        lambda: SplitConfig('subject'),
    ],
    ids=['strides', 'optimizer', 'split'],
)
def test_an_impossible_recipe_is_refused(bad):
    with pytest.raises(ValueError):
        bad()
