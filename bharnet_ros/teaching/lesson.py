"""A set of actions that is being taught: takes go in, a file that a robot loads comes out."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bharnet_ros.inference.bank import Bank
from bharnet_ros.inference.model import MODEL_SUFFIX, Model
from bharnet_ros.inference.taught import (
    SUFFIX,
    UNKNOWN,
    About,
    TaughtActions,
    actions_dir,
    encoder_of,
    reference_to,
    require_bank,
)
from bharnet_ros.system.resources import share_dir
from bharnet_ros.system.writing import explained
from bharnet_ros.teaching.learning import Shown, answers, learn, look_at
from bharnet_ros.teaching.quality import remarks, require
from bharnet_ros.teaching.takes import Take, TakeError, TakeFolder, check_name

DEFAULT_NAME = 'my_actions'


@dataclass(frozen=True)
class Added:
    """A take that is on the disk."""

    action: str
    number: int
    seconds: float  # of the showing
    hands: float  # share of its frames in which a hand is seen
    remarks: tuple[str, ...]  # what could be better, one line each

    @property
    def text(self) -> str:
        """All of it, in one line."""
        what = f'{self.action}: take {self.number}, {self.seconds:.1f} s, '
        return '; '.join([f'{what}hands seen in {self.hands:.0%}', *self.remarks])


@dataclass(frozen=True)
class Estimate:
    """How takes are recognised by the other takes: each left out once, in turn."""

    takes: dict[str, int]  # of each action
    right: dict[str, int]  # of them, recognised
    confused: tuple[tuple[str, str, int], ...]  # action, another that its takes lie in, takes
    missed: dict[str, int]  # of each action: takes that were taken for nothing

    @property
    def tried(self) -> int:
        """Takes that were left out: those of actions with more than one."""
        return sum(count for count in self.takes.values() if count > 1)

    @property
    def share(self) -> float:
        """Share of them that were recognised; NaN if there was none."""
        return sum(self.right.values()) / self.tried if self.tried else float('nan')


@dataclass(frozen=True)
class Verdict:
    """What came of teaching."""

    file: Path  # what a robot loads
    name: str  # by which
    estimate: Estimate
    lines: tuple[str, ...]  # all of it in words
    seconds: float  # that it took


class Lesson:
    """The takes of a set of actions of this user, and what is made of them.

    Not thread-safe. All methods raise TakeError, ModelError or WriteError with one plain line.
    """

    def __init__(self, encoder: Model, name: str = DEFAULT_NAME, folder: Path | None = None):
        """Open a set, which need not exist.

        Args:
            encoder: a model with an embedding and a bank, or taught actions of such a one.
            name: of the set: by which the result is loaded.
            folder: where sets are; the user's own by default.

        """
        base = actions_dir() if folder is None else folder
        if (share_dir() / 'models' / f'{check_name(name)}{MODEL_SUFFIX}').exists():
            raise TakeError(
                f"'{name}' is what a model of the package is called: take another name"
            )
        self.name, self.encoder = name, encoder_of(encoder)
        self._bank = require_bank(self.encoder)
        self.file = base / f'{name}{SUFFIX}'
        self.folder = TakeFolder(base / name)
        self._seen: dict[Path, tuple[float, Shown]] = {}  # by the take's file, with its time

    @property
    def actions(self) -> dict[str, list[int]]:
        """The numbers of the takes of each action."""
        return self.folder.actions()

    @property
    def encoder_name(self) -> str:
        """By what the encoder is loaded: the name of a shipped model, else a path."""
        return reference_to(self.encoder)

    def fits(self, model: Model) -> bool:
        """Tell whether a model sees as the encoder of this lesson does."""
        return encoder_of(model).model_id == self.encoder.model_id

    def check(self, action: str) -> None:
        """Raise TakeError if no action can be called that."""
        silent = {self.encoder.contract.idle, self.encoder.contract.unknown, UNKNOWN}
        if check_name(action) in silent:
            raise TakeError(f"'{action}' is what the model calls no action: take another name")

    def add(self, action: str, take: Take) -> Added:
        """Keep a take; when this returns it is on the disk. TakeError: it cannot serve."""
        self.check(action)
        require(take)
        told = remarks(take, self.encoder.contract)
        shown = look_at(take, self.encoder, self._bank)
        if (like := self._like(action, shown)) is not None:
            told.append(f'this is like {like}: the two will be confused; show it otherwise')
        number = self.folder.add(action, take)
        self._remember(action, number, shown)
        hands = float(take.mask[take.showing, 1:].any(1).mean())
        return Added(action, number, take.seconds, hands, tuple(told))

    def take(self, action: str, number: int) -> Take:
        """Return a take."""
        return self.folder.read(action, number)

    def delete(self, action: str, number: int) -> Take | None:
        """Remove a take; return it, so that `add` can undo this, or None if it was damaged."""
        take = None
        if number in self.actions.get(action, []):
            with suppress(TakeError):
                take = self.folder.read(action, number)
        self.folder.delete(action, number)
        return take

    def forget(self, action: str) -> int:
        """Remove an action with all its takes; return how many there were."""
        return self.folder.forget(action)

    def rename(self, action: str, name: str) -> None:
        """Give an action another name."""
        self.check(name)
        self.folder.rename(action, name)

    def clear(self) -> None:
        """Remove the file that a robot loads: all actions are forgotten."""
        with explained(self.file):
            self.file.unlink(missing_ok=True)

    def teach(self) -> Verdict:
        """Make the file that a robot loads of all takes that there are.

        TakeError if there is nothing to teach. A damaged take is left out, and told of.
        """
        began = time.monotonic()
        shown, lines = self._shown()
        if not shown:
            raise TakeError(f'nothing is taught yet in {self.name}: show an action first')
        regions = learn(shown, self._bank)
        contract = self.encoder.contract
        taught = TaughtActions(
            About(
                self.name,
                self.encoder_name,
                self.encoder.model_id,
                tuple(regions),
                tuple(len(takes) for takes in shown.values()),
            ),
            np.concatenate([region.centres for region in regions.values()]),
            np.repeat(np.arange(len(regions)), [len(r.centres) for r in regions.values()]),
            np.array([region.radius for region in regions.values()], np.float32),
            np.array([region.width for region in regions.values()], np.float32),
        )
        taught.check()
        with explained(self.file.parent):
            self.file.parent.mkdir(parents=True, exist_ok=True)
        taught.write(self.file)
        estimate = left_out(shown, self._bank)
        lines += describe(estimate)
        if both := sorted(set(regions) & set(contract.actions)):
            lines.append(
                f'{contract.name} knows {", ".join(both)} itself: beside its words '
                f'({contract.name}+{self.name}) either counts'
            )
        return Verdict(self.file, self.name, estimate, tuple(lines), time.monotonic() - began)

    def _shown(self) -> tuple[dict[str, list[Shown]], list[str]]:
        """Return what the encoder makes of all takes, and what is wrong with those left out."""
        found: dict[str, list[Shown]] = {}
        faults = []
        for action, numbers in self.actions.items():
            for number in numbers:
                try:
                    found.setdefault(action, []).append(self._look(action, number))
                except TakeError as error:
                    faults.append(f'left out: {error}')
        return {action: takes for action, takes in found.items() if takes}, faults

    def _look(self, action: str, number: int) -> Shown:
        path = self.folder.path(action, number)
        known = self._seen.get(path)
        if known is not None and known[0] == path.stat().st_mtime:
            return known[1]
        shown = look_at(self.folder.read(action, number), self.encoder, self._bank)
        return self._remember(action, number, shown)

    def _remember(self, action: str, number: int, shown: Shown) -> Shown:
        path = self.folder.path(action, number)
        self._seen[path] = (path.stat().st_mtime, shown)
        return shown

    def _like(self, action: str, shown: Shown) -> str | None:
        """Return another action that a new take of `action` would be taken for."""
        others = {name: takes for name, takes in self._shown()[0].items() if name != action}
        return next(iter(answers(learn(others, self._bank), shown)), None)


def left_out(shown: dict[str, list[Shown]], bank: Bank) -> Estimate:
    """Try every take of an action that has more than one on all the others."""
    right: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    confused: Counter[tuple[str, str]] = Counter()
    for action, takes in shown.items():
        for take in takes if len(takes) > 1 else ():
            rest = {**shown, action: [other for other in takes if other is not take]}
            found = answers(learn(rest, bank), take)
            right[action] += found[:1] == [action]
            missed[action] += not found
            confused.update((action, other) for other in found if other != action)
    return Estimate(
        {action: len(takes) for action, takes in shown.items()},
        dict(right),
        tuple((action, other, count) for (action, other), count in confused.most_common()),
        dict(missed),
    )


def describe(estimate: Estimate) -> list[str]:
    """Return an estimate in words."""
    lines = []
    if estimate.tried:
        lines.append(
            f'{sum(estimate.right.values())} of {estimate.tried} takes are recognised by the '
            'others of the same action'
        )
    pairs: Counter[frozenset[str]] = Counter()
    for action, other, count in estimate.confused:
        pairs[frozenset((action, other))] += count
    for pair, count in pairs.most_common():
        one, other = sorted(pair)
        both = estimate.takes[one] + estimate.takes[other]
        lines.append(
            f'{one} and {other} are confused in {count} of {both} takes: make them differ more'
        )
    for action, count in estimate.missed.items():
        if not count:
            continue
        lines.append(
            f'{action} is taken for nothing in {count} of {estimate.takes[action]} takes: show it '
            'the same way each time, or more often'
        )
    if single := [action for action, count in estimate.takes.items() if count == 1]:
        lines.append(
            f'one take only of {", ".join(single)}: show it twice more, or nobody knows how well '
            'it is recognised'
        )
    return lines
