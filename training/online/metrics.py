"""Scores of actions over time against the truth of a stream."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_average_precision

from bharnet_ros.types import SECOND, Action, Phase, State

from .streams import IDLE, KNOWN, UNKNOWN, StreamSegment

OVERLAPS = (10, 25, 50)  # per cent
BACKGROUND = -1  # the label of frames in which no known word is performed or shown
LATE = 0.4  # seconds after a word in which its action may still start: a usual transition
SETTLED = 0.5  # seconds from the start of a clip after which its state should have been told


@dataclass(frozen=True)
class StreamTruth:
    """What is true of a stream, frame by frame and clip by clip."""

    stamps: np.ndarray  # (F,) int64, nanoseconds, equally spaced
    segments: Sequence[StreamSegment]
    names: tuple[str, ...]  # the model's labels; known segments are named by them

    @property
    def end(self) -> int:
        """Stamp at which the stream is over: one frame after the last."""
        return int(2 * self.stamps[-1] - self.stamps[-2])

    @property
    def labels(self) -> np.ndarray:
        """Index into `names` of the word that is performed, or BACKGROUND, (F,)."""
        found = np.full(len(self.stamps), BACKGROUND)
        for segment in self.segments:
            if segment.kind == KNOWN:
                first, last = np.searchsorted(self.stamps, (segment.start, segment.stop))
                found[first:last] = self.names.index(segment.label)
        return found

    def turns(self) -> list[tuple[StreamSegment, int, int]]:
        """Return each segment with the stamps at which its turn begins and is over.

        It lasts to the next segment, and after a word for LATE at least, if no word begins before:
        who answers at the end of a short word is not wrong.
        """
        found, begin = [], 0
        starts = [segment.start for segment in self.segments[1:]] + [self.end]
        words = [segment.start for segment in self.segments if segment.kind == KNOWN]
        for segment, end in zip(self.segments, starts, strict=True):
            begin = max(begin, segment.start)
            if segment.kind == KNOWN:
                late = segment.stop + int(LATE * SECOND)
                end = max(end, min([late, self.end, *(s for s in words if s > segment.start)]))
            found.append((segment, begin, max(begin, end)))
            begin = found[-1][2]
        return found


@dataclass(frozen=True)
class StreamAnswer:
    """What the runtime said of a stream."""

    events: Sequence[Action]
    states: Sequence[tuple[int, State]] = ()  # the stamp of each decision and the state after it

    def state(self, stamps: np.ndarray) -> np.ndarray:
        """Return the newest state at each stamp, (F,) int; idle before the first."""
        values = np.array([State.IDLE, *(state for _, state in self.states)], int)
        decided = np.array([stamp for stamp, _ in self.states], np.int64)
        return values[np.searchsorted(decided, stamps, side='right')]


def shown(stamps: np.ndarray, events: Iterable[Action]) -> np.ndarray:
    """Return the class of the action that is on at each stamp, or BACKGROUND, (F,).

    An action is on from the frame that starts it to before the frame that ends it: what a
    subscriber knew at the time, not what came out later.
    """
    found = np.full(len(stamps), BACKGROUND)
    for event in events:
        if event.phase != Phase.ONGOING:
            found[np.searchsorted(stamps, event.stamp) :] = (
                event.class_id if event.phase == Phase.STARTED else BACKGROUND
            )
    return found


def pieces(labels: np.ndarray) -> list[tuple[int, int, int]]:
    """Return (label, first, one past the last) of each run of equal labels but BACKGROUND."""
    edges = np.flatnonzero(np.diff(labels)) + 1
    return [
        (int(labels[first]), int(first), int(last))
        for first, last in zip([0, *edges], [*edges, len(labels)], strict=True)
        if len(labels) and labels[first] != BACKGROUND
    ]


def matches(answer: np.ndarray, truth: np.ndarray, overlap: float) -> tuple[int, int, int]:
    """Return true positives, false positives and misses of segments, as Lea et al. count them.

    Each answered segment, in order of time, is held against the true segment of its label that it
    overlaps most (intersection over union). It is right if that reaches `overlap` and nothing
    before it took that segment. Background is no segment.

    Args:
        answer: labels of frames, (F,).
        truth: the same.
        overlap: above 0, at most 1.

    """
    true = pieces(truth)
    taken = [False] * len(true)
    hits = wrong = 0
    for label, first, last in pieces(answer):
        shares = [
            max(0, min(last, stop) - max(first, start)) / (max(last, stop) - min(first, start))
            if label == name
            else 0.0
            for name, start, stop in true
        ]
        best = int(np.argmax(shares)) if shares else -1
        if best >= 0 and shares[best] >= overlap and not taken[best]:
            taken[best], hits = True, hits + 1
        else:
            wrong += 1
    return hits, wrong, taken.count(False)


def f1_score(hits: int, wrong: int, missed: int) -> float:
    """Return F1 of counts; 1 if there was nothing to find and nothing was found."""
    total = 2 * hits + wrong + missed
    return 2 * hits / total if total else 1.0


@dataclass(frozen=True)
class WordCounts:
    """How one word was found."""

    words: int  # how often it was performed
    found: int  # how often its action started in time
    starts: int  # of its action, at any time

    @property
    def f1(self) -> float:
        """F1 of starts."""
        return f1_score(self.found, self.starts - self.found, self.words - self.found)


@dataclass(frozen=True)
class OnlineMetrics:
    """How well actions tell what happens; over all streams together."""

    f1: dict[int, float]  # of segments, by the least overlap in per cent
    f1_starts: float  # of the starts of actions: right if in the turn of their word, once
    false_per_minute: float | None  # action starts in idle and unknown time; None: no such time
    false_idle: float | None  # in a minute of idle time
    false_unknown: float | None  # in a minute of unknown time
    delay_p50: float | None  # seconds from the start of a word to that of its action; None: none
    delay_p90: float | None
    linger_p50: float | None  # seconds that the action of a word stays on after its end
    missed: float  # share of known words whose action never starts in time
    changes_per_second: float  # of the label that is shown
    true_changes_per_second: float
    words: int  # known
    minutes: dict[str, float]  # of each kind of time, transitions with what comes before them
    told_unknown: dict[str, float | None]  # share of each kind of clips, from SETTLED on
    each: dict[str, WordCounts]  # word by word


def compute_online_metrics(runs: Sequence[tuple[StreamTruth, StreamAnswer]]) -> OnlineMetrics:
    """Score what was said of one or more streams."""
    counts = {overlap: np.zeros(3, int) for overlap in OVERLAPS}
    false, time = dict.fromkeys((IDLE, UNKNOWN), 0), dict.fromkeys((KNOWN, IDLE, UNKNOWN), 0)
    frames, told_unknown = dict.fromkeys(time, 0), dict.fromkeys(time, 0)
    delays, lingers, words, begun, changes, true_changes = [], [], 0, 0, 0, 0
    performed, found, started = Counter(), Counter(), Counter()
    for truth, answer in runs:
        true_labels, labels = truth.labels, shown(truth.stamps, answer.events)
        is_unknown = answer.state(truth.stamps) == State.UNKNOWN
        for overlap in OVERLAPS:
            counts[overlap] += matches(labels, true_labels, overlap / 100)
        changes += int((np.diff(labels) != 0).sum())
        true_changes += int((np.diff(true_labels) != 0).sum())
        starts = [event for event in answer.events if event.phase == Phase.STARTED]
        begun += len(starts)
        for name in truth.names:
            started[name] += sum(event.label == name for event in starts)
        for segment, begin, end in truth.turns():
            time[segment.kind] += end - begin
            within = slice(
                *np.searchsorted(
                    truth.stamps, (segment.start + int(SETTLED * SECOND), segment.stop)
                )
            )
            frames[segment.kind] += len(truth.stamps[within])
            told_unknown[segment.kind] += int(is_unknown[within].sum())
            here = [event for event in starts if begin <= event.stamp < end]
            if segment.kind != KNOWN:
                false[segment.kind] += len(here)
                continue
            words += 1
            performed[segment.label] += 1
            right = [event.stamp for event in here if event.label == segment.label]
            if right:
                found[segment.label] += 1
                delays.append((right[0] - segment.start) / SECOND)
                after = truth.stamps >= segment.stop
                gone = truth.stamps[after][labels[after] != truth.names.index(segment.label)]
                lingers.append(((gone[0] if len(gone) else truth.end) - segment.stop) / SECOND)

    def per_minute(*kinds: str) -> float | None:
        spent = sum(time[kind] for kind in kinds) / SECOND / 60
        return sum(false[kind] for kind in kinds) / spent if spent else None

    def percentile(values: list[float], q: int) -> float | None:
        return float(np.percentile(values, q)) if values else None

    seconds = sum(time.values()) / SECOND
    return OnlineMetrics(
        {overlap: f1_score(*map(int, count)) for overlap, count in counts.items()},
        f1_score(len(delays), begun - len(delays), words - len(delays)),
        per_minute(IDLE, UNKNOWN),
        per_minute(IDLE),
        per_minute(UNKNOWN),
        percentile(delays, 50),
        percentile(delays, 90),
        percentile(lingers, 50),
        1 - len(delays) / words if words else 0.0,
        changes / seconds,
        true_changes / seconds,
        words,
        {kind: spent / SECOND / 60 for kind, spent in time.items()},
        {kind: told_unknown[kind] / count if count else None for kind, count in frames.items()},
        {
            name: WordCounts(performed[name], found[name], started[name])
            for name in sorted({*performed, *(n for n, count in started.items() if count)})
        },
    )


def frame_precision(
    scores: np.ndarray, truth: np.ndarray, names: Sequence[str], silent: Sequence[str]
) -> dict[str, float]:
    """Return the average precision over frames of every class that occurs, background included.

    Args:
        scores: (F, K) probabilities.
        truth: (F,) index into names, or BACKGROUND.
        names: K labels.
        silent: the labels that are no known action; their sum is the probability of background.
            Where there are none it is what the best class leaves.

    """
    if not silent:
        scores = np.concatenate([scores, 1 - scores.max(1, keepdims=True)], 1)
        names, silent = [*names, 'background'], ['background']
    background, *others = [list(names).index(name) for name in silent]
    scores = scores.copy()
    scores[:, background] += scores[:, others].sum(1)
    truth = np.where(truth == BACKGROUND, background, truth)
    found = multiclass_average_precision(
        torch.tensor(scores), torch.tensor(truth), len(names), average=None, thresholds=None
    )
    return {names[k]: float(found[k]) for k in np.unique(truth)}
