"""Work that may crash a process, done by processes: a crash costs the work that caused it only."""

import json
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Generator, Hashable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from bharnet_ros.system.child import command

from ..errors import DataError

Key = TypeVar('Key', bound=Hashable)
TRIES = 2  # of one request: the process may have been killed for want of memory
SILENCE = 120.0  # seconds without a word after which a process is given up as hanging
REQUESTS = 16  # after which a process makes room for a new one, so that no leak adds up


class WorkerDiedError(DataError):
    """A process ended amid its work, or hung; the text says how."""


class Worker:
    """A Python module in a process of its own, which answers lines of JSON with such lines.

    An empty line says that it is still at work.
    It ends, at the latest, with this process; see `child`. What it says beside is dropped: where
    it works well that is noise of codecs, and where it does not its answer says why.
    """

    def __init__(self, module: str):
        self.asked = 0
        self._process = subprocess.Popen(
            command(['-m', module]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for us, and we end it
            env=os.environ | {'OMP_NUM_THREADS': '1'},  # the processes fill the cores
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self.answers = self._process.stdin, self._process.stdout
        self._begun = b''  # of the answer
        self._heard = time.monotonic()

    @property
    def hangs(self) -> bool:
        """Whether it has said nothing for too long."""
        return time.monotonic() - self._heard > SILENCE

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request."""
        self.asked += 1
        self._heard = time.monotonic()
        with suppress(BrokenPipeError):  # it has died, as reading the answer will show
            self._requests.write(json.dumps(request).encode() + b'\n')
            self._requests.flush()

    def answer(self) -> dict[str, Any] | None:
        """Return the answer to the last request if it is there, once something can be read.

        WorkerDiedError if there will be none.
        """
        if found := os.read(self.answers.fileno(), 65536):
            self._heard = time.monotonic()
            self._begun = (self._begun + found).lstrip(b'\n')
            if not self._begun.endswith(b'\n'):
                return None
            line, self._begun = self._begun, b''
            return json.loads(line)
        self._process.wait()
        status = self._process.returncode
        raise WorkerDiedError(
            'the process that read it died '
            + (f'of {signal.Signals(-status).name}' if status < 0 else f'with status {status}')
        )

    def end(self) -> None:
        """End it, at once."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._requests.close()
        self.answers.close()
        self._process.wait()


def ask_workers(
    module: str, requests: Mapping[Key, dict[str, Any]], jobs: int
) -> Generator[tuple[Key, dict[str, Any] | WorkerDiedError], None, None]:
    """Yield key and answer of each request as they come, from `jobs` processes of a module.

    The processes end with the iterator; close it where you leave early.
    """
    waiting = deque((key, 1) for key in requests)
    idle: list[Worker] = []
    busy: dict[Worker, tuple[Key, int]] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or busy:
                while waiting and len(busy) < jobs:
                    key, tries = waiting.popleft()
                    worker = idle.pop() if idle else Worker(module)
                    busy[worker] = key, tries
                    selector.register(worker.answers, selectors.EVENT_READ, worker)
                    worker.ask(requests[key])
                ready = [item.data for item, _ in selector.select(timeout=1.0)]
                for worker in [*ready, *(w for w in busy if w.hangs and w not in ready)]:
                    key, tries = busy[worker]
                    found: dict[str, Any] | WorkerDiedError | None
                    if worker in ready:
                        try:
                            found = worker.answer()
                        except WorkerDiedError as error:
                            found = error
                    else:
                        found = WorkerDiedError(
                            f'the process that read it hung: nothing came of it for {SILENCE:g} s'
                        )
                        tries = TRIES
                    if found is None:
                        continue
                    selector.unregister(worker.answers)
                    del busy[worker]
                    if isinstance(found, dict) and worker.asked < REQUESTS:
                        idle.append(worker)
                    else:
                        worker.end()
                    if isinstance(found, WorkerDiedError) and tries < TRIES:
                        waiting.append((key, tries + 1))
                    else:
                        yield key, found
        finally:
            for worker in (*busy, *idle):
                worker.end()
