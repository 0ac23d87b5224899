"""Clips of people that a model never met, through the runtime: right, wrong and false events."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bharnet_ros.inference.contract import Contract
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.decision import DecisionConfig, Policy
from bharnet_ros.recognition.window import resample
from bharnet_ros.types import PARTS, SECOND, Keypoints, Phase

from ..datasets.labels import alias_of
from ..errors import DataError
from ..windows.clips import Clips, require_rate
from .playback import RecordedScores, record, replay
from .streams import PERSON

WIDTH = 640  # pixels of the picture that a clip is taken to come from
# That can be chosen: below a half a word may be less likely than all else together.
THRESHOLDS = tuple(round(0.5 + 0.01 * n, 2) for n in range(50))
CURVE = THRESHOLDS[::5]
MISTAKES = 12  # pairs that a report names


@dataclass(frozen=True)
class PlayedClip:
    """What is true of a clip, and what the model made of it."""

    person: str
    label: str
    word: str | None  # of the model that it shows; None: none of them
    best: str  # the best answer to the whole clip as one window
    scores: RecordedScores | None  # of the runtime's windows; None if there was no decision


@dataclass(frozen=True)
class WordScore:
    """One word, averaged over people so that nobody counts more than another."""

    word: str
    people: int
    clips: int
    top1: float  # of the whole clip as one window
    told: float  # share of clips in which the word became an event


@dataclass(frozen=True)
class EventRates:
    """Shares of clips at one threshold."""

    threshold: float
    right: float  # of known words: the word became an event
    wrong: float  # of known words: another became one
    false: float  # of other actions: any word became an event


@dataclass(frozen=True)
class StrangersReport:
    """All that is measured of a model on people that it never met."""

    model: str
    people: int
    known: int  # clips of words of the model
    unknown: int  # clips of other actions
    left_out: int  # clips of nobody doing anything, and of signs that are a word by another name
    words: tuple[WordScore, ...]
    top1: float  # mean of the words
    rates: EventRates  # at the threshold that was asked for
    curve: tuple[EventRates, ...]
    mistakes: tuple[tuple[str, str, int], ...]  # label, event, clips


def frames_of(clips: Clips, i: int, rate: float | None, aspect: float | None) -> list[Keypoints]:
    """Return clip i as the detector would deliver it; `rate` and `aspect` override its own."""
    store, index = clips.stores[clips.store[i]], int(clips.index[i])
    track = store.tracks(index)[0]
    height = round(WIDTH * (aspect or float(store.table['aspect'][index])))
    period = SECOND / (rate or float(clips.rate[i]))
    frames = []
    for t, seen in enumerate(track.mask):
        body, left, right = (
            np.asarray(values[t], np.float32) if there and values is not None else None
            for values, there in zip(
                (track.body, track.left_hand, track.right_hand), seen, strict=True
            )
        )
        someone = body is not None
        frames.append(
            Keypoints(
                int(t * period) + SECOND,
                WIDTH,
                height,
                PERSON if someone else '',
                body,
                None,
                left if someone else None,
                right if someone else None,
            )
        )
    return frames


def of_camera(frames: Sequence[Keypoints], images: float) -> list[Keypoints]:
    """Return a person's frames as a camera of `images` a second had seen the same motion.

    Between two frames points move in a straight line; a part that either lacks is seen or not as
    in the nearer one (see `recognition.window.resample`).
    """
    stamps = np.array([frame.stamp for frame in frames])
    at = np.arange(stamps[0], stamps[-1] + 1, round(SECOND / images))
    found = {}
    for part in PARTS:
        points = [getattr(frame, part) for frame in frames]
        shape = next((values.shape for values in points if values is not None), (0,))
        filled = np.stack([np.zeros(shape) if values is None else values for values in points])
        seen = np.array([values is not None for values in points])
        found[part] = resample(stamps - stamps[0], filled, seen, at - stamps[0], SECOND / 2)
    made = []
    for k, stamp in enumerate(at.tolist()):
        parts = {part: values[k] if seen[k] else None for part, (values, seen) in found.items()}
        if parts['body'] is None:
            parts = dict.fromkeys(PARTS)
        someone = parts['body'] is not None
        made.append(replace(frames[0], stamp=stamp, person_id=PERSON if someone else '', **parts))
    return made


def play_clips(
    recognizer: Model,
    clips: Clips,
    rate: float | None = None,
    aspect: float | None = None,
    images: float | None = None,
) -> Iterator[PlayedClip]:
    """Play every clip to the runtime, each as a person who has just come.

    Args:
        recognizer: the model.
        clips: of one person each, in the model's layout.
        rate: frames a second of all clips; None: what the data says.
        aspect: image height over width of all clips; None: what the data says.
        images: how many a second the camera takes, at the same speed of the person; None: as many
            as the clips have frames.

    """
    contract = recognizer.contract
    if clips.layout.name != contract.layout:
        raise DataError(
            f'the clips are {clips.layout.name}, but {contract.name} needs {contract.layout}'
        )
    if rate is None:
        require_rate(clips)
    words = words_by_label(contract)
    for i in range(len(clips)):
        frames = frames_of(clips, i, rate, aspect)
        if images is not None:
            frames = of_camera(frames, images)
        whole = clips.clip(i, 0.0, 1.0, contract.window_steps)
        if aspect is not None:
            whole = replace(whole, aspect=aspect)
        best = contract.labels[int(recognizer.infer([whole])[0].argmax())]
        scores, _ = record(recognizer, frames, DecisionConfig())
        label = clips.class_names[clips.label[i]]
        yield PlayedClip(
            clips.group[i],
            label,
            words.get(label),
            best,
            scores if len(scores.stamps) else None,
        )


def words_by_label(contract: Contract) -> dict[str, str]:
    """Return the word of every label that a model tells; the two may differ in name."""
    made_of = contract.training.get('made_of') or {word: [word] for word in contract.actions}
    return {label: word for word, labels in made_of.items() for label in labels}


def events_of(clip: PlayedClip, decision: DecisionConfig) -> set[str]:
    """Return the words that become events in a clip."""
    if clip.scores is None:
        return set()
    contract = clip.scores.contract
    actions = [contract.labels.index(name) for name in contract.actions]
    if clip.scores.probabilities[:, actions].max() < decision.threshold:
        return set()  # smoothing does not lift it above
    answer = replay(clip.scores, decision)
    return {event.label for event in answer.events if event.phase == Phase.STARTED}


def measure_strangers(
    played: Sequence[PlayedClip],
    recognizer: Model,
    threshold: float | None = None,
    false_share: float | None = None,
) -> StrangersReport:
    """Score played clips.

    Clips at rest, and signs that are a word of the model under another name, are in no count.

    Args:
        played: all clips.
        recognizer: that played them.
        threshold: of the decision; None: the model's own.
        false_share: in place of `threshold`: the smallest at which at most this share of the clips
            of unknown actions has an event.

    Raises DataError if no clip shows a word of the model.

    """
    contract = recognizer.contract
    words = contract.actions
    aliases = {alias_of(label) for label in words_by_label(contract)} | {contract.idle}
    known = [clip for clip in played if clip.word is not None]
    unknown = [
        clip for clip in played if clip.word is None and alias_of(clip.label) not in aliases
    ]
    if not known:
        raise DataError(f'no clip shows a word of {contract.name}: {", ".join(words)}')

    def rates(at: float) -> EventRates:
        decision = DecisionConfig(threshold=at)
        told = [(clip.word, events_of(clip, decision)) for clip in known]
        return EventRates(
            at,
            share(told, lambda word, events: word in events),
            share(told, lambda word, events: bool(events - {word})),
            share(
                [(clip.label, events_of(clip, decision)) for clip in unknown],
                lambda _, events: bool(events),
            ),
        )

    curve = tuple(rates(at) for at in CURVE)
    if false_share is not None:
        # The higher the threshold, the fewer events: halve the range.
        first = bisect_left(THRESHOLDS, True, key=lambda at: rates(at).false <= false_share)
        if first == len(THRESHOLDS):
            raise DataError(
                f'at no threshold are events of unknown actions as rare as {false_share:g}'
            )
        chosen = rates(THRESHOLDS[first])
    else:
        chosen = rates(threshold or Policy.of(DecisionConfig(), contract).threshold)
    decision = DecisionConfig(threshold=chosen.threshold)
    mistakes = Counter(
        (clip.label, event)
        for clip in [*known, *unknown]
        for event in events_of(clip, decision) - {clip.word}
    )
    scores = tuple(
        score_word(word, [clip for clip in known if clip.word == word], decision)
        for word in words
        if any(clip.word == word for clip in known)
    )
    return StrangersReport(
        f'{contract.name} {recognizer.model_id}',
        len({clip.person for clip in played}),
        len(known),
        len(unknown),
        len(played) - len(known) - len(unknown),
        scores,
        float(np.mean([score.top1 for score in scores])),
        chosen,
        curve,
        tuple((label, event, n) for (label, event), n in mistakes.most_common(MISTAKES)),
    )


def share(told: Sequence[tuple[str, set[str]]], holds: Callable[[str, set[str]], bool]) -> float:
    """Return the share of clips for whose label and events something holds; 0 of none."""
    return sum(holds(*item) for item in told) / max(len(told), 1)


def score_word(word: str, clips: Sequence[PlayedClip], decision: DecisionConfig) -> WordScore:
    """Score the clips of one word."""
    people = sorted({clip.person for clip in clips})
    by_person = [[clip for clip in clips if clip.person == person] for person in people]
    return WordScore(
        word,
        len(people),
        len(clips),
        float(np.mean([np.mean([c.best == word for c in mine]) for mine in by_person])),
        float(
            np.mean(
                [np.mean([word in events_of(c, decision) for c in mine]) for mine in by_person]
            )
        ),
    )
