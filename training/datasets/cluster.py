"""The work of an extraction on a Ray cluster, which is asked for by its address."""

import os
from collections.abc import Generator, Mapping
from pathlib import Path

from bharnet_ros.errors import reason_of
from bharnet_ros.system.parts import Part, needing

from .detection import extract_file

RAY = Part('Ray', "run pip install '.[cluster]' in the source tree, here and on the cluster")


def extract_on_cluster(
    todo: Mapping[Path, Path], address: str, crops: int = 0
) -> Generator[tuple[Path, str], None, None]:
    """Yield each file and why it could not be extracted, '' if it could, as they come.

    MissingPartError if there is no Ray; WriteError if parts cannot be written.
    """
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    with needing(RAY):
        import ray

    ray.init(address, log_to_driver=False, logging_level='ERROR')
    try:
        # A worker that dies (out of memory, a crash inside a codec) fails its video only.
        task = ray.remote(num_cpus=1, max_retries=1, max_calls=16)(extract_file)
        waiting = {
            task.remote(file.absolute(), part.absolute(), crops=crops): file
            for file, part in todo.items()
        }
        while waiting:
            ready, _ = ray.wait(list(waiting), num_returns=1)
            file = waiting.pop(ready[0])
            try:
                yield file, ray.get(ready[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                yield file, f'its worker died: {reason_of(error, 150)}'
    finally:
        ray.shutdown()
