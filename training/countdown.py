"""How far a long command is, and how long it will still take."""

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Countdown:
    """A bar with the remaining time where somebody looks on; a line now and then elsewhere."""

    SHARES = 10  # lines in all, where nobody looks on

    def __init__(self, total: int, what: str):
        """Begin to count `total` things, called `what`."""
        self.total, self.what, self.done = total, what, 0
        self.bar = Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
        )
        self.task = self.bar.add_task(what, total=total)

    def advance(self) -> None:
        """Count one more."""
        self.done += 1
        if self.bar.console.is_terminal:
            self.bar.start()
        self.bar.advance(self.task)
        if not self.bar.console.is_terminal and (
            self.done * self.SHARES // self.total > (self.done - 1) * self.SHARES // self.total
        ):
            task = self.bar.tasks[0]
            left = task.elapsed / self.done * (self.total - self.done) if task.elapsed else 0.0
            print(f'{self.done} of {self.total} {self.what}, about {left:.0f} s left', flush=True)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.stop()
