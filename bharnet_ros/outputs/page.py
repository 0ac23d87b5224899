"""A page that shows a run: skeletons that move, and the recognised actions on a time line.

Keypoints and labels only, never an image: the page shows no face and may be passed on.
"""

import html
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from bharnet_ros.errors import BharnetError
from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.system.writing import WriteError, write_text
from bharnet_ros.types import PARTS, SECOND, Action, Keypoints, Phase

FPS = 12  # pictures a second; more would only make the file larger
LONGEST = 120  # seconds kept: of a longer run the newest
MIN_VISIBILITY = 0.3
WIDTH, STAGE, LANE, MARGIN = 720, 400, 26, 20  # pixels
COLOURS = {'body': '#8a94a6', 'left_hand': '#e5484d', 'right_hand': '#3e8bff'}
BARS = ('#4c9a6a', '#b7791f', '#6d5bd0', '#c2528b', '#2b8a9d', '#8a6d3b')

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .2rem .8rem }
tr { border-bottom: 1px solid #ddd } svg { width: 100%; height: auto }
"""


class PageError(BharnetError):
    """A page that cannot be written; the text says why."""


class RunPage:
    """Collects what a run saw and recognised, in bounded memory, and writes it as one file."""

    def __init__(self, title: str):
        """`title` is any text: what the input was."""
        self._title = title
        self._pictures: deque[tuple[int, list[Keypoints]]] = deque()
        self._starts: dict[tuple[str, int], Action] = {}
        self._actions: deque[tuple[Action, Action]] = deque(maxlen=1000)

    def add_keypoints(self, person: Keypoints) -> None:
        """Take one person of one image; images that follow too fast to be shown are left out."""
        newest = self._pictures[-1][0] if self._pictures else person.stamp - SECOND
        if person.stamp < newest:  # a clock was set: nothing before it fits on one line of time
            self._pictures.clear()
            self._starts.clear()
            self._actions.clear()
        if person.stamp == newest:
            self._pictures[-1][1].append(person)
        elif person.stamp < newest or person.stamp - newest >= SECOND // FPS:
            self._pictures.append((person.stamp, [person]))
            while person.stamp - self._pictures[0][0] > LONGEST * SECOND:
                self._pictures.popleft()

    def add_action(self, action: Action) -> None:
        """Take one step in the life of an action."""
        key = (action.person_id, action.event_id)
        if action.phase is Phase.STARTED:
            self._starts[key] = action
        elif action.phase is Phase.ENDED and key in self._starts:
            self._actions.append((self._starts.pop(key), action))

    def write(self, path: Path) -> None:
        """Write a page, or with the suffix .svg the picture alone; PageError if that fails."""
        text = self.picture() if path.suffix.lower() == '.svg' else self.page()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
        except WriteError as error:
            raise PageError(str(error)) from error
        except OSError as error:
            raise PageError(f'cannot write {path}: {error.strerror}') from error

    def page(self) -> str:
        """Return one HTML file that needs no other."""
        title = html.escape(self._title)
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f'<title>bharnet_ros: {title}</title><style>{STYLE}</style>'
            f'<h1>{title}</h1>{self._body()}</html>\n'
        )

    def _body(self) -> str:
        if not self._pictures:
            return '<p>No keypoints came.</p>'
        rows = ''.join(
            '<tr>' + ''.join(f'<td>{cell}</td>' for cell in self._cells(started, ended)) + '</tr>'
            for started, ended in self._known()
        )
        heads = ('started', 'ended', 'person', 'action', 'confidence')
        head = ''.join(f'<th>{name}</th>' for name in heads)
        table = f'<table><tr>{head}</tr>{rows}</table>' if rows else '<p>No action started.</p>'
        return f'{self.picture()}{table}'

    def _cells(self, started: Action, ended: Action) -> tuple[str, ...]:
        return (
            f'{self._seconds(started.stamp):.2f} s',
            f'{self._seconds(ended.stamp):.2f} s',
            html.escape(started.person_id),
            html.escape(started.label),
            f'{started.confidence:.0%}',
        )

    def _known(self) -> list[tuple[Action, Action]]:
        """Return start and end of the actions in the time that is shown; some still go on."""
        begin, end = self._span()
        going = [(start, _ended_at(start, end)) for start in self._starts.values()]
        every = [*self._actions, *going]
        return sorted(
            (pair for pair in every if pair[1].stamp >= begin and pair[0].stamp <= end),
            key=lambda pair: pair[0].stamp,
        )

    def _span(self) -> tuple[int, int]:
        return self._pictures[0][0], max(self._pictures[-1][0], self._pictures[0][0] + SECOND)

    def _seconds(self, stamp: int) -> float:
        return (stamp - self._span()[0]) / SECOND

    def picture(self) -> str:
        """Return an SVG image that plays by itself wherever it is shown."""
        if not self._pictures:
            return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {STAGE}"/>'
        begin, end = self._span()
        duration = (end - begin) / SECOND
        known = self._known()
        lanes = _lanes(known)
        height = STAGE + LANE * (max(lanes, default=0) + 1) + 2 * MARGIN + 14
        plays = f'dur="{duration:.2f}s" repeatCount="indefinite"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="system-ui, sans-serif" font-size="14">',
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f7f8fa"/>',
            *self._skeletons(plays),
            *self._bars(known, lanes, duration, plays),
        ]
        x = WIDTH - MARGIN
        parts.append(
            f'<line y1="{STAGE}" y2="{height - 24}" x1="{MARGIN}" x2="{MARGIN}" stroke="#222">'
            f'<animate attributeName="x1" from="{MARGIN}" to="{x}" {plays}/>'
            f'<animate attributeName="x2" from="{MARGIN}" to="{x}" {plays}/></line>'
        )
        step = next(step for step in (1, 2, 5, 10, 20, 60) if duration / step <= 12 or step == 60)
        for second in range(0, int(duration) + 1, step):
            place = MARGIN + second / duration * (WIDTH - 2 * MARGIN)
            parts.append(
                f'<text x="{place:.0f}" y="{height - 8}" fill="#667" font-size="12" '
                f'text-anchor="middle">{second} s</text>'
            )
        return ''.join([*parts, '</svg>'])

    def _skeletons(self, plays: str) -> Iterable[str]:
        begin, end = self._span()
        stamps = [stamp for stamp, _ in self._pictures]
        # Even steps of time, because the animation knows no others.
        ticks = np.arange(begin, end, SECOND / FPS)
        chosen = [self._pictures[i][1] for i in np.searchsorted(stamps, ticks, 'right') - 1]
        fit = _fit([person for people in chosen for person in people])
        for part in PARTS:
            drawn = [''.join(_lines(person, part, *fit) for person in people) for people in chosen]
            # A path must not be empty, and a viewer that cannot animate shows the middle.
            drawn = [path or 'M0 0' for path in drawn]
            yield (
                f'<path d="{drawn[len(drawn) // 2]}" fill="none" stroke="{COLOURS[part]}" '
                f'stroke-width="{3 if part == "body" else 2}" stroke-linecap="round">'
                f'<animate attributeName="d" calcMode="discrete" {plays} '
                f'values="{";".join(drawn)}"/></path>'
            )

    def _bars(
        self, known: list[tuple[Action, Action]], lanes: list[int], duration: float, plays: str
    ) -> Iterable[str]:
        labels = sorted({started.label for started, _ in known})
        scale = (WIDTH - 2 * MARGIN) / duration
        for (started, ended), lane in zip(known, lanes, strict=True):
            colour = BARS[labels.index(started.label) % len(BARS)]
            label = html.escape(started.label)
            begin = max(self._seconds(started.stamp), 0)
            length = max(self._seconds(ended.stamp) - begin, 0.05)
            x, y = MARGIN + begin * scale, STAGE + MARGIN / 2 + lane * LANE
            yield (
                f'<rect x="{x:.1f}" y="{y:.0f}" width="{length * scale:.1f}" '
                f'height="{LANE - 4}" rx="3" fill="{colour}"/>'
                f'<text x="{x + 4:.1f}" y="{y + 16:.0f}" fill="#fff" stroke="{colour}" '
                f'stroke-width="3" paint-order="stroke">{label}</text>'
            )
            # Shown large while it goes on, one beside the other where several do.
            on, off = begin / duration, min((begin + length) / duration, 1)
            yield (
                f'<text x="{MARGIN}" y="{44 + lane * 36}" font-size="32" fill="{colour}" '
                f'visibility="hidden">{label} {started.confidence:.0%}'
                f'<animate attributeName="visibility" calcMode="discrete" {plays} '
                f'values="hidden;visible;hidden" keyTimes="0;{on:.4f};{off:.4f}"/></text>'
            )


def _ended_at(action: Action, stamp: int) -> Action:
    """Return an action as if it ended at this time."""
    return replace(action, stamp=max(stamp, action.stamp), phase=Phase.ENDED)


def _lanes(known: list[tuple[Action, Action]]) -> list[int]:
    """Return a row for each action, so that those of one time do not cover each other."""
    free_from: list[int] = []
    rows = []
    for started, ended in known:
        row = next((i for i, end in enumerate(free_from) if end < started.stamp), len(free_from))
        free_from[row : row + 1] = [ended.stamp]
        rows.append(row)
    return rows


def _fit(people: list[Keypoints]) -> tuple[float, float, float]:
    """Return the scale and the place that bring everybody, ever, into the stage."""
    found = [
        points[:, :2] * (1, person.aspect)
        for person in people
        for points in (_seen(person), person.left_hand, person.right_hand)
        if points is not None and len(points)
    ]
    if not found:
        return 1.0, 0.0, 0.0
    points = np.concatenate(found)
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    room = np.array([WIDTH - 2 * MARGIN, STAGE - 2 * MARGIN])
    scale = float((room / np.maximum(high - low, 0.05)).min())
    left, top = (WIDTH, STAGE) / np.array([2, 2]) - scale * (low + high) / 2
    return scale, float(left), float(top)


def _seen(person: Keypoints) -> np.ndarray | None:
    return None if person.body is None else person.body[person.body[:, 3] >= MIN_VISIBILITY]


def _lines(person: Keypoints, part: str, scale: float, left: float, top: float) -> str:
    points = getattr(person, part)
    if points is None:
        return ''
    layout = DETECTOR_LAYOUTS[person.layout]
    edges = (layout.body if part == 'body' else layout.hand).edges
    shown = points[:, 3] >= MIN_VISIBILITY if part == 'body' else np.ones(len(points), bool)
    place = points[:, :2] * (scale, scale * person.aspect) + (left, top)
    place = np.clip(place, -WIDTH, 2 * WIDTH).round().astype(int).tolist()
    return ''.join(
        'M{} {}L{} {}'.format(*place[a], *place[b]) for a, b in edges if shown[a] and shown[b]
    )
