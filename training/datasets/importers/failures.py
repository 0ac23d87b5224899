"""What an import or an extraction had to leave out, beside the data set."""

import csv
from pathlib import Path

from bharnet_ros.system.writing import whole_file


def failures_file(to: Path) -> Path:
    """Return the file that lists what did not get into the data set `to`."""
    return to.with_name(to.name + '.failures.csv')


def report_failures(to: Path, failures: list[tuple[str, str]]) -> None:
    """Write (file, error) rows and say so; remove the list of an earlier attempt if none."""
    file = failures_file(to)
    file.unlink(missing_ok=True)
    if failures:
        with (
            whole_file(file) as partial,
            partial.open('w', newline='', encoding='utf-8') as stream,
        ):
            csv.writer(stream).writerows([('file', 'error'), *failures])
        print(f'{len(failures)} left out or not whole, see {file}')
