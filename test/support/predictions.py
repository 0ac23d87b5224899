"""Predictions of made-up networks."""

import cv2
import numpy as np

from bharnet_ros.training.evaluation.predictions import (
    Predictions,
)


def of_probabilities(rows, label, names=('a', 'b', 'c')):
    z = np.log(np.array(rows, np.float32))
    return Predictions(z, None, None, np.array(label), np.array(['g/0'] * len(label)), names)


def random_predictions(seed, n=60, classes=4, scale=2.0):
    rng = np.random.default_rng(seed)
    label = rng.integers(classes, size=n)
    z = rng.normal(size=(3, n, classes)) * scale
    z[:, np.arange(n), label] += scale
    return Predictions(
        *z.astype(np.float32),
        label,
        np.array([f'g/{i % 2}' for i in range(n)]),
        tuple(f'c{k}' for k in range(classes)),
    )


def picture(path):
    image = cv2.imread(str(path))
    assert image is not None and image.std() > 5, f'{path} shows nothing'
