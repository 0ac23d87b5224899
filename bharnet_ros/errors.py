"""Errors that a person can mend, and how any text becomes one plain line."""

MAX_TEXT = 1000  # characters; what an error quotes may be anybody's, and of any length


def one_line(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text, parts of which may be anybody's, as one printable line of bearable length.

    What does not print, such as the escape codes of a terminal, becomes a space.

    Examples:
        >>> one_line('  one   line ')
        'one line'
        >>> one_line('of a length that is no use', limit=16)
        'of a length ...'

    """
    line = ' '.join(''.join(c if c.isprintable() else ' ' for c in text).split())
    return line if len(line) <= limit else f'{line[: limit - 4].rstrip()} ...'


def reason_of(error: BaseException, limit: int = MAX_TEXT) -> str:
    """Return what an exception says in one plain line; its type where it says nothing."""
    return one_line(str(error), limit) or type(error).__name__


class BharnetError(Exception):
    """Something outside this package is wrong; its text is one line: what, and what to do."""

    def __init__(self, text: str):
        super().__init__(one_line(text))
