"""Tables in Markdown."""

from collections.abc import Sequence
from typing import Any


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in Markdown; floats with three decimals."""

    def text(value: Any) -> str:
        return f'{value:.3f}' if isinstance(value, float) else str(value)

    lines = [head, ['---'] * len(head), *[[text(cell) for cell in row] for row in rows]]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'
