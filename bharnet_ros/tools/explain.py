"""`bharnet explain`: which stream, moment and joint carried a decision."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.config import ExplainOptions, PipelineConfig, SourceConfig
from bharnet_ros.errors import BharnetError
from bharnet_ros.inference.loading import load_model
from bharnet_ros.inference.model import Model
from bharnet_ros.inference.occlusion import Explanation, explain
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.session import Session
from bharnet_ros.system.opencv import cv2
from bharnet_ros.tools.explanation import draw_explanation
from bharnet_ros.types import SECOND, Scores

LEAST = 0.01  # loss from which something is told


class ExplainError(BharnetError):
    """There is nothing to explain; the text says why."""


def explain_file(options: ExplainOptions, note: Callable[[str], None]) -> None:
    """Print and draw what carried a decision; ExplainError if there was none."""
    if options.save is not None and options.save.exists():
        raise FileExistsError(f'{options.save} exists already, not overwriting')
    model = load_model(options.model, options.runtime, note)
    if options.label and options.label not in model.contract.labels:
        raise ExplainError(
            f'{model.contract.name} has no label {options.label!r}; it has '
            f'{", ".join(model.contract.labels)}'
        )
    scores = chosen(all_scores(options.source, model), model, options)
    window = scores.window
    found = explain(model, window.clip, options.label or None)
    print('\n'.join(lines_of(found, scores)), flush=True)
    if options.save is not None:
        image = draw_explanation(found, window.clip, model.contract)
        _write(image, options.save)
        print(f'wrote {options.save}', flush=True)


def _write(image: np.ndarray, path: Path) -> None:
    try:
        path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    except cv2.error:
        raise ExplainError(
            f'cannot write {path}: give a name that ends with .png or .jpg'
        ) from None


def all_scores(source: str, model: Model) -> Iterator[Scores]:
    """Yield the scores of all windows of a video, or of a recording of keypoints."""
    if Path(source).is_dir():
        pipeline = ActionPipeline(model.contract, PipelineConfig())
        for person in read_keypoints(Path(source)):
            _, scores = pipeline.process(person, model)
            if scores is not None:
                yield scores
        return
    config = SourceConfig(source=source, realtime=False)
    with closing(Session(config, model).moments()) as moments:
        for moment in moments:
            yield from moment.scores


def chosen(found: Iterator[Scores], model: Model, options: ExplainOptions) -> Scores:
    """Return the scores at the time that was asked for, or where an action was likeliest."""
    wanted = [options.label] if options.label else model.contract.actions or model.contract.labels
    columns = [model.contract.labels.index(name) for name in wanted]
    first = next(found, None)
    if first is None:
        raise ExplainError(
            f'{options.source}: nobody is there for a window, so nothing was decided'
        )

    def fitting(scores: Scores) -> float:
        since = (scores.window.stamp - first.window.stamp) / SECOND
        return -abs(since - options.at) if options.at >= 0 else scores.probabilities[columns].max()

    return max(chain([first], found), key=fitting)


def lines_of(found: Explanation, scores: Scores) -> list[str]:
    """Return the explanation in words."""
    window = scores.window
    lines = [
        f'{found.label} {found.probability:.0%} of {window.person_id}, window from '
        f'{window.start / SECOND:.2f} to {window.stamp / SECOND:.2f} s'
    ]
    lost = {name: loss for name, loss in found.losses.items() if loss >= LEAST}
    lines += [f'  {name.replace("_", " "):24} {-loss:+.0%}' for name, loss in lost.items()]
    if not lost:
        lines.append('  no single part, limb or finger is missed')
    return lines
