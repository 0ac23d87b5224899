#!/usr/bin/env python3
"""Runs one step of the Makefile and says how it goes: step.py LOG 'what it does' COMMAND ...

On a terminal one line shows the newest output and the time; elsewhere a line comes every three
seconds. The whole output is kept in LOG, and its end is shown if the command fails. The status is
that of the command.
"""

import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

EVERY = 3.0  # seconds between two lines where there is no terminal
NOISE = ('Requirement already satisfied', 'WARNING:', 'Using cached', 'Processing ', '---')
SHOWN = 40  # lines of a log, when something failed


class Newest:
    """The newest line of a command's output that means something to a person."""

    def __init__(self):
        self.line = ''

    def follow(self, output: IO[bytes], log: Path) -> None:
        """Copy output to the log until its end."""
        with log.open('wb') as file:
            for raw in output:
                file.write(raw)
                file.flush()
                text = ' '.join(raw.decode(errors='replace').split())
                if text and not text.startswith(NOISE):
                    self.line = text


def main() -> int:
    """Run the command; return its status."""
    log, what, *command = Path(sys.argv[1]), *sys.argv[2:]
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stdout.isatty()
    begun = told = time.monotonic()
    newest = Newest()
    # No questions: nobody would see them.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    # Ctrl-C reaches the command too; its end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    reader = threading.Thread(target=newest.follow, args=(process.stdout, log), daemon=True)
    reader.start()
    print(f'{what} ...', end='' if terminal else '\n', flush=True)
    while True:
        reader.join(0.5 if terminal else 0.1)
        if not reader.is_alive():
            break
        now = time.monotonic()
        if terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f'\r\033[K{f"{what} ... {now - begun:.0f} s  {newest.line}"[:width]}', end='')
            sys.stdout.flush()
        elif now - told >= EVERY:
            told = now
            print(f'  {now - begun:3.0f} s  {newest.line[:90]}', flush=True)
    status = process.wait()
    end = f'{what}: done in {time.monotonic() - begun:.0f} s'
    if status:
        end = f'{what}: failed with status {status}; the whole output is in {log}'
    print(f'\r\033[K{end}' if terminal else f'{end}', flush=True)
    if status:
        lines = log.read_text(errors='replace').splitlines()[-SHOWN:]
        print(*lines, sep='\n', file=sys.stderr)
    return status if status >= 0 else 128 - status


if __name__ == '__main__':
    sys.exit(main())
