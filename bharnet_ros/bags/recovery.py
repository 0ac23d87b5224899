"""Whole bags out of those whose recorder was killed, or whose disk filled up or lost power."""

import errno
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bharnet_ros.bags.bag import PACKAGE_TYPES, BagError, BagWriter, typestore
from bharnet_ros.bags.mcap_salvage import UnfinishedFile, _Message
from bharnet_ros.bags.storage import is_mcap, storage_files
from bharnet_ros.errors import one_line, reason_of

NO_ROOM = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
OUR_TYPES = {f'bharnet_ros/msg/{name}' for name in PACKAGE_TYPES}


@dataclass
class Recovered:
    """What was saved."""

    path: Path  # of the new bag
    messages: Counter[str] = field(default_factory=Counter)  # by topic
    damaged: int = 0  # bytes that were left out: of each file from the first damage to the end
    foreign: Counter[str] = field(default_factory=Counter)  # of types unknown here, left out too
    unreadable: Counter[str] = field(default_factory=Counter)  # of ours, and of wrong content
    closed: list[str] = field(default_factory=list)  # files that cannot be opened, and why

    def describe(self) -> str:
        """Return one line for a person to read."""
        parts = [f'{count} of {topic}' for topic, count in sorted(self.messages.items())]
        lost = self.left_out()
        return one_line(
            f'{self.path}: {self.messages.total()} messages ({", ".join(parts)})'
            + (f'; left out: {", ".join(lost)}' if lost else '')
        )

    def left_out(self) -> list[str]:
        """Return what was not saved, for a person to read."""
        lost = [f'{count} messages of type {kind}' for kind, count in sorted(self.foreign.items())]
        lost += [
            f'{count} messages of type {kind} that cannot be read'
            for kind, count in sorted(self.unreadable.items())
        ]
        if self.damaged:
            lost.append(f'{self.damaged} bytes from the first damaged or torn place on')
        return lost + self.closed


def _target_of(path: Path, target: Path | None) -> Path:
    """Return the folder to write; BagError if it has no name or lies in the bag."""
    if target is None:
        if not path.name:
            raise BagError(f'{path} has no name to call a new bag by: name a folder to write')
        return path.with_name(f'{path.stem if path.is_file() else path.name}_recovered')
    if path.is_dir() and target.resolve().is_relative_to(path.resolve()):
        raise BagError(
            f'the new bag {target} would lie in {path}, which is only read: name a '
            'folder elsewhere'
        )
    return target


def recover(
    path: Path, target: Path | None = None, stopped: Callable[[], bool] = lambda: False
) -> Recovered:
    """Write a new, complete bag with what is whole in the bag `path`, which is only read.

    Of each of its MCAP files that is all before the first damaged place: faults hit the end, and
    after damage nothing tells where the next record begins. Messages of our types that cannot be
    read are left out, the bag must be of use. Without a `target` the new bag lies beside the old
    one. `stopped` is asked often, and ends it when true. BagError, in one plain line, and no new
    bag, if that happens, if there is nothing to save or the new one cannot be written.
    """
    if not path.exists():
        raise BagError(f'no such bag: {path.absolute()}')
    path = path.resolve() if path.name in ('', '..') else path.absolute()
    target = _target_of(path, target)
    recovery = _Recovery(path, target, stopped)
    try:
        return recovery.run()
    except BagError as error:
        raise BagError(recovery.explain(error)) from error
    except Exception as error:  # a damaged file can raise nearly anything inside the library
        raise BagError(f'cannot recover {path}: {reason_of(error)}') from error


class _Recovery:
    """One run of `recover`."""

    def __init__(self, path: Path, target: Path, stopped: Callable[[], bool]):
        self._path, self._stopped, self._result = path, stopped, Recovered(target)
        self._bag: BagWriter | None = None  # not before there is something to save
        self._known = typestore().fielddefs

    def run(self) -> Recovered:
        """Return what was saved; BagError, and then there is no new bag."""
        try:
            mcaps = [self._copy(file) for file in storage_files(self._path)]
            if self._bag is None:
                raise BagError(self._why_nothing(any(mcaps)))
            self._bag.close()
        except BaseException:
            if self._bag is not None:
                # A part of it would look like all there is, and be in the way of the next attempt.
                self._bag.discard()
            raise
        return self._result

    def _check(self) -> None:
        if self._stopped():
            raise BagError(
                f'stopped before all was saved: there is no new bag, {self._path} is untouched'
            )

    def _copy(self, file: Path) -> bool:
        """Save what is whole in a file; False if that is no MCAP or cannot be read."""
        self._check()
        try:
            size = file.stat().st_size
            if not is_mcap(file):
                self._result.damaged += size
                return False
            with file.open('rb') as stream:
                source = UnfinishedFile(stream, size, self._check)
                for message in source.messages():
                    self._take(message)
                self._result.damaged += source.left_out()
        except OSError as error:
            self._result.closed.append(f'{file.name} ({error.strerror})')
            return False
        return True

    def _take(self, message: _Message) -> None:
        topic, kind = message.channel.topic, message.channel.kind
        if kind not in self._known:
            self._result.foreign[kind] += 1
        elif kind in OUR_TYPES and not _is_readable(message):
            self._result.unreadable[kind] += 1
        else:
            if self._bag is None:
                self._bag = BagWriter(self._result.path)
            self._bag.write_raw(topic, kind, message.stamp, message.data)
            self._result.messages[topic] += 1

    def _why_nothing(self, any_mcap: bool) -> str:
        result, why = self._result, 'it holds no whole message'
        if not any_mcap:
            why = 'there is no MCAP in it, and only MCAP can be (.db3 cannot)'
        elif result.unreadable or result.foreign:
            why = 'of its messages, ' + ', '.join(
                [f'{count} of {kind} cannot be read' for kind, count in result.unreadable.items()]
                + [
                    f'{count} of {kind} are of a type unknown here'
                    for kind, count in result.foreign.items()
                ]
            )
        closed = f'; cannot be opened: {", ".join(result.closed)}' if result.closed else ''
        return f'nothing in {self._path} can be recovered: {why}{closed}'

    def explain(self, error: BagError) -> str:
        """Return what to tell: of errors in writing BagWriter thinks it was a recording."""
        reason = error.__cause__
        if not isinstance(reason, OSError):
            return str(error)
        what = 'no room for the new bag' if reason.errno in NO_ROOM else 'cannot write the new bag'
        return (
            f'{what} {self._result.path} ({reason.strerror or reason}): name a folder on '
            f'another disk, "bharnet recover {self._path} FOLDER"; {self._path} is untouched'
        )


def _is_readable(message: _Message) -> bool:
    try:
        typestore().deserialize_cdr(message.data, message.channel.kind)
    except Exception:  # whatever the library raises
        return False
    return True
