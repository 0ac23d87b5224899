"""Licences that come as one file a person."""

from pathlib import Path

from ...errors import DataError

SUFFIX = '.LICENSE'
MARKS = (  # what a text says, and how the licence is called (SPDX)
    ('Apache License', 'Apache-2.0'),
    ('CC0', 'CC0-1.0'),
    ('Permission is hereby granted, free of charge', 'MIT'),
    ('MIT', 'MIT (stated in the README only)'),
)


def read_licences(folder: Path) -> dict[str, str]:
    """Return subject to licence from files OWNER+REPOSITORY.LICENSE of subjects OWNER/REPOSITORY.

    DataError if a text is none of the licences that are known here.
    """
    found = {}
    for file in sorted(folder.glob(f'*{SUFFIX}')):
        text = file.read_text(encoding='utf-8', errors='replace')
        names = [name for mark, name in MARKS if mark in text]
        if not names:
            raise DataError(f'{file}: not a licence that is known here; look at it')
        found[file.name.removesuffix(SUFFIX).replace('+', '/', 1)] = names[0]
    if not found:
        raise DataError(f'{folder}: holds no *{SUFFIX}')
    return found
