"""Pictures of streams over time, by matplotlib."""

from pathlib import Path
from typing import Any

import numpy as np

from bharnet_ros.recognition.decision import DecisionConfig, Policy
from bharnet_ros.types import SECOND, State

from ..evaluation.figures import plt, save_figure
from ..lettering import readable
from .metrics import BACKGROUND, pieces, shown
from .playback import PlayedStream
from .streams import IDLE, UNKNOWN

ROW = 30.0  # seconds in a row of the picture
ROWS = 20  # at most: nobody looks at more of a long recording


def draw_stream(stream: PlayedStream, decision: DecisionConfig, path: Path) -> None:
    """Draw the first ROWS rows of a stream: truth above, actions below, probabilities between."""
    truth, told = stream.run(decision)
    threshold = Policy.of(decision, stream.scores.contract).threshold
    answer, scores = shown(truth.stamps, told.events), stream.scores.at(truth.stamps)
    unknown = np.where(told.state(truth.stamps) == State.UNKNOWN, 0, BACKGROUND)
    seconds = (truth.stamps - truth.stamps[0]) / SECOND
    shown_as = dict.fromkeys([*truth.names, *(s.label for s in truth.segments)])
    shown_as = dict(zip(shown_as, readable(list(shown_as)), strict=True))
    colours = plt.get_cmap('tab20')(np.arange(len(truth.names)) % 20)
    count = min(max(1, int(np.ceil(seconds[-1] / ROW))), ROWS)
    figure, axes = plt.subplots(count, 1, figsize=(13, 1.5 * count), squeeze=False)

    def bar(first: float, last: float, y: float, colour: Any, text: str) -> None:
        for axis, start in zip(axes.flat, np.arange(count) * ROW, strict=True):
            if first < start + ROW and last > start:
                axis.broken_barh([(first, last - first)], (y, 0.3), facecolors=[colour])
                axis.text(max(first, start) + 0.1, y + 0.06, text, fontsize=7, clip_on=True)

    for segment in truth.segments:
        first, last = (
            (stamp - truth.stamps[0]) / SECOND for stamp in (segment.start, segment.stop)
        )
        colour = {IDLE: 'whitesmoke', UNKNOWN: 'darkgrey'}.get(segment.kind)
        if colour is None:
            colour = colours[truth.names.index(segment.label)]
        text = shown_as[segment.label] + (' ?' if segment.kind == UNKNOWN else '')
        bar(first, last, 1.05, colour, text)
    for label, first, last in pieces(answer):
        bar(seconds[first], seconds[last - 1], -0.35, colours[label], shown_as[truth.names[label]])
    for _, first, last in pieces(unknown):
        bar(seconds[first], seconds[last - 1], -0.35, 'darkgrey', '?')
    for row, axis in enumerate(axes.flat):
        here = slice(*np.searchsorted(seconds, [row * ROW, (row + 1) * ROW]))
        for k, name in enumerate(truth.names):
            if name != stream.scores.contract.idle:
                axis.plot(seconds[here], scores[here, k], color=colours[k], linewidth=1)
        axis.axhline(threshold, color='grey', linewidth=0.5, linestyle=':')
        axis.set_xlim(row * ROW, (row + 1) * ROW)
        axis.set_ylim(-0.4, 1.4)
        axis.set_yticks([-0.2, 0.5, 1.2], ['action', 'score', 'truth'], fontsize=7)
        axis.tick_params(axis='x', labelsize=7)
    axes[-1, 0].set_xlabel(
        'seconds; "?": an action that the model never learned; below, where '
        'the state is "unknown"',
        fontsize=8,
    )
    save_figure(figure, path)
