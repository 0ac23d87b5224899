"""A model that can be taught, without a trained network, and somebody who shows it actions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from bharnet_ros.inference.bank import BANK_KEY, Bank
from bharnet_ros.inference.contract import METADATA_KEY
from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.types import SECOND, Keypoints
from support.keypoints import CONTRACT, INPUT_SHAPES, STEPS

JOINTS = [
    MEDIAPIPE_POSE.index(f'{side}_{joint}')
    for joint in ('shoulder', 'wrist')
    for side in ('left', 'right')
]
SIZE = STEPS * 4  # two wrists, x and y, at each step
RATE = 15  # frames a second
HANGING = {'left_wrist': (0.62, 0.85), 'right_wrist': (0.38, 0.85)}


def write_encoder(path: Path, name: str = 'arms', bank: bool = True, seed: int = 0) -> Path:
    """Write a model whose embedding is where the wrists are, from the shoulders, at each step.

    It answers rest whatever it sees, and its bank holds arms that move at random.
    """
    contract = replace(
        CONTRACT, name=name, labels=('hand_up', '-', 'unknown'), unknown='unknown', embedding=SIZE
    )
    nodes = [
        helper.make_node('Gather', ['body', 'joints'], ['four'], axis=2),
        helper.make_node('Slice', ['four', 'c0', 'c2', 'c3'], ['flat4']),
        helper.make_node('Slice', ['flat4', 'c0', 'c2', 'c2axis'], ['shoulders']),
        helper.make_node('Slice', ['flat4', 'c2', 'c4', 'c2axis'], ['wrists']),
        helper.make_node('ReduceMean', ['shoulders', 'c2axis'], ['middle'], keepdims=1),
        helper.make_node('Sub', ['wrists', 'middle'], ['arms']),
        helper.make_node('Reshape', ['arms', 'shape'], ['embedding']),
        helper.make_node('ReduceMean', ['mask', 'c12'], ['seen'], keepdims=0),
        helper.make_node('Unsqueeze', ['seen', 'c1'], ['column']),
        helper.make_node('Mul', ['column', 'zero'], ['nothing']),
        helper.make_node('Add', ['nothing', 'answer'], ['probabilities']),
    ]

    def ints(name: str, *values: int) -> TensorProto:
        return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)

    constants = [
        ints('joints', *JOINTS),
        ints('c0', 0),
        ints('c1', 1),
        ints('c2', 2),
        ints('c3', 3),
        ints('c4', 4),
        ints('c12', 1, 2),
        ints('c2axis', 2),
        ints('shape', -1, SIZE),
        helper.make_tensor('zero', TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor('answer', TensorProto.FLOAT, [1, 3], [0.05, 0.9, 0.05]),
    ]
    graph = helper.make_graph(
        nodes,
        'arms',
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in INPUT_SHAPES.items()
        ],
        [
            helper.make_tensor_value_info('probabilities', TensorProto.FLOAT, ['N', 3]),
            helper.make_tensor_value_info('embedding', TensorProto.FLOAT, ['N', SIZE]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.normal(0, 0.08, (200, STEPS, 4)), 1)
    rows = ([0.12, 0.5, -0.12, 0.5] + steps).reshape(200, SIZE).astype(np.float32)
    texts = {METADATA_KEY: contract.to_json()}
    if bank:
        texts[BANK_KEY] = Bank(rows).to_text()
    helper.set_model_props(model, texts)
    onnx.save(model, path)
    return path


def frame(stamp: float, hand: bool = True, name: str = 'ann', **wrists) -> Keypoints:
    """Return somebody whose wrists are at (x, y), hanging where nothing is said."""
    body = np.full((33, 4), 0.5, np.float32)
    places = {'left_shoulder': (0.6, 0.4), 'right_shoulder': (0.4, 0.4)}
    places |= {'left_elbow': (0.62, 0.62), 'right_elbow': (0.38, 0.62)} | HANGING | wrists
    for joint, place in places.items():
        body[MEDIAPIPE_POSE.index(joint), :2] = place
    right = np.full((21, 3), 0.3, np.float32) if hand else None
    return Keypoints(round(stamp * SECOND), 640, 640, name, body, right_hand=right)


def path_of(action: str, share: float) -> tuple[float, float]:
    """Return where the right wrist is after a share of an action."""
    rise = np.sin(np.pi * share)
    if action == 'circle':
        return 0.38 - 0.25 * np.sin(2 * np.pi * share) * rise, 0.85 - 0.6 * rise
    if action == 'push':
        return 0.38 + 0.3 * rise, 0.85 - 0.25 * rise
    return 0.38 - 0.3 * rise, 0.85 - 0.4 * rise + 0.1 * np.sin(8 * np.pi * share)  # wave


def showing(
    action: str, start: float = 0.0, seed: int = 0, rest: float = 1.0, seconds: float = 1.2
) -> list[Keypoints]:
    """Return frames of somebody who rests, shows an action, and rests."""
    rng = np.random.default_rng(seed)
    frames = []
    for t in range(round((2 * rest + seconds) * RATE)):
        at = t / RATE
        share = (at - rest) / seconds
        noise = rng.normal(0, 0.004, 2)
        place = path_of(action, share) if 0 <= share <= 1 else HANGING['right_wrist']
        frames.append(frame(start + at, right_wrist=tuple(np.array(place) + noise)))
    return frames
