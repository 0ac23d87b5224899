"""What carried a decision: what is lost when a part of its window is hidden, or held still."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bharnet_ros.inference.model import Model
from bharnet_ros.layouts import DETECTOR_LAYOUTS, Layout
from bharnet_ros.types import PARTS, Clip

SHARE = 6  # of a window that is hidden at once: one of so many parts
FINGERS = ('thumb', 'index', 'middle', 'ring', 'pinky')
LIMBS = {
    'left arm': ('left_elbow', 'left_wrist', 'left_pinky', 'left_index', 'left_thumb'),
    'right arm': ('right_elbow', 'right_wrist', 'right_pinky', 'right_index', 'right_thumb'),
    'head': ('nose', 'left_ear', 'right_ear', 'left_eye', 'right_eye'),
}


@dataclass(frozen=True)
class Explanation:
    """How probable a label is of a window, and of the same window with something taken away."""

    label: str
    probability: float
    without: dict[str, float]  # a part of PARTS was hidden
    still: dict[str, float]  # a limb or finger did not move: it stayed where it was on average
    steps: np.ndarray  # (T,) what was shown about this step was hidden

    @property
    def losses(self) -> dict[str, float]:
        """What each thing that was taken away costs, the dearest first."""
        named = {f'without {name}': value for name, value in self.without.items()}
        named |= {f'{name} still': value for name, value in self.still.items()}
        lost = {name: self.probability - value for name, value in named.items()}
        return dict(sorted(lost.items(), key=lambda item: -item[1]))


def explain(model: Model, clip: Clip, label: str | None = None) -> Explanation:
    """Hide and hold still what a window shows, all in one batch, and see what is lost.

    Args:
        model: of a detector layout.
        clip: a window of as many steps as the model takes.
        label: whose probability; None takes the likeliest action, of a model without actions the
            likeliest label.

    Raises ValueError if the model has no such label.

    """
    labels = model.contract.labels
    if label is not None and label not in labels:
        raise ValueError(
            f'{model.contract.name} has no label {label!r}; it has {", ".join(labels)}'
        )
    steps = len(clip.mask)
    wide = max(1, round(steps / SHARE))
    hidden = {part: _hide(clip, np.arange(3) == n) for n, part in enumerate(PARTS)}
    hidden = {part: found for part, found in hidden.items() if _differs(found, clip)}
    still = dict(_held(clip, DETECTOR_LAYOUTS[model.contract.layout].body))
    spans = [
        _hide(clip, np.ones(3, bool), slice(max(0, t - wide // 2), t + (wide + 1) // 2))
        for t in range(steps)
    ]
    found = model.infer([clip, *hidden.values(), *still.values(), *spans])
    if label is None:
        names = model.contract.actions or labels
        label = max(names, key=lambda name: found[0, labels.index(name)])
    values = found[:, labels.index(label)].tolist()
    a, b = 1 + len(hidden), 1 + len(hidden) + len(still)
    return Explanation(
        label,
        values[0],
        dict(zip(hidden, values[1:a], strict=True)),
        dict(zip(still, values[a:b], strict=True)),
        np.array(values[b:]),
    )


def _hide(clip: Clip, parts: np.ndarray, steps: slice = slice(None)) -> Clip:
    """Mark (3,) bool parts as not seen at some steps; what is not seen is zero."""
    mask = clip.mask.copy()
    mask[steps, parts] = 0
    points = {
        name: np.where(mask[:, n, None, None] > 0, getattr(clip, name), 0).astype(np.float32)
        for n, name in enumerate(PARTS)
    }
    return Clip(**points, mask=mask, aspect=clip.aspect, crops=clip.crops)


def _differs(a: Clip, b: Clip) -> bool:
    return not np.array_equal(a.mask, b.mask)


def _held(clip: Clip, layout: Layout) -> Iterator[tuple[str, Clip]]:
    """Yield the clip with each limb still about the shoulders, and each finger about its wrist."""
    shoulders = [layout.joints.index(f'{side}_shoulder') for side in ('left', 'right')]
    for name, joints in LIMBS.items():
        rows = [layout.joints.index(joint) for joint in joints if joint in layout.joints]
        yield from _frozen(clip, 0, name, rows, shoulders)
    for part, side in ((1, 'left'), (2, 'right')):
        for number, finger in enumerate(FINGERS):
            rows = list(range(1 + 4 * number, 5 + 4 * number))
            yield from _frozen(clip, part, f'{side} {finger}', rows, [0])


def _frozen(
    clip: Clip, part: int, name: str, rows: list[int], about: list[int]
) -> Iterator[tuple[str, Clip]]:
    seen = clip.mask[:, part] > 0
    if not seen.any():
        return
    points = getattr(clip, PARTS[part]).copy()
    centre = points[seen][:, about, :3].mean(1, keepdims=True)
    offset = points[seen][:, rows, :3] - centre
    place = points[seen]
    place[:, rows, :3] = centre + offset.mean(0)
    points[seen] = place
    yield name, replace(clip, **{PARTS[part]: points})
