"""Work that may crash a process, done by processes: a crash costs the work that caused it only."""

import json
import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Generator, Hashable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from bharnet_ros.system.child import command

from ..errors import DataError

Key = TypeVar('Key', bound=Hashable)
TRIES = 2  # of one request: the process may have been killed for want of memory
REQUESTS = 16  # after which a process makes room for a new one, so that no leak adds up


class WorkerDiedError(DataError):
    """A process ended amid its work; the text says how."""


class Worker:
    """A Python module in a process of its own, which answers lines of JSON with such lines.

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
            text=True,
            env=os.environ | {'OMP_NUM_THREADS': '1'},  # the processes fill the cores
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self.answers = self._process.stdin, self._process.stdout

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request."""
        self.asked += 1
        with suppress(BrokenPipeError):  # it has died, as reading the answer will show
            print(json.dumps(request), file=self._requests, flush=True)

    def answer(self) -> dict[str, Any]:
        """Return the answer to the last request; WorkerDiedError if there will be none."""
        line = self.answers.readline()
        if line.endswith('\n'):
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
                for ready, _ in selector.select():
                    worker = ready.data
                    selector.unregister(worker.answers)
                    key, tries = busy[worker]
                    found: dict[str, Any] | WorkerDiedError
                    try:
                        found = worker.answer()
                    except WorkerDiedError as error:
                        found = error
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
