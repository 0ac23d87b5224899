"""The shipped model, windows for it, and how a model is refused."""

import numpy as np
import pytest

from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.types import Clip
from support.paths import ROOT

SHIPPED = ROOT / 'models' / 'asl_words.onnx'


def random_clips(count, steps, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        mask = (rng.random((steps, 3)) < 0.7).astype(np.float32)
        parts = [
            rng.random((steps, *shape), np.float32) * mask[:, i, None, None]
            for i, shape in enumerate(((33, 4), (21, 3), (21, 3)))
        ]
        yield Clip(*parts, mask=mask, aspect=float(rng.uniform(0.5, 1.8)))


def refusal(model, **options):
    """Return the text with which loading is refused: one line that names the file."""
    with pytest.raises(ModelError) as error:
        Model(model, **options)
    text = str(error.value)
    assert text.strip() and '\n' not in text
    assert str(model) in text or 'provider' in text
    return text
