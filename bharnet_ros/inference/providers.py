"""Where a model runs: ONNX Runtime's execution providers, tried from the best to the CPU."""

import contextlib
import ctypes
import importlib.util
import io
import subprocess
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bharnet_ros.config import RuntimeConfig
from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.inference.contract import ContractError
from bharnet_ros.inference.engine_cache import EngineCache, EngineKey
from bharnet_ros.system.gpu import gpu_name
from bharnet_ros.system.onnxruntime import ort

EXECUTION = {  # from the fastest to the one that is always there
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
SHORT = {long: short for short, long in EXECUTION.items()}


@dataclass(frozen=True)
class Running:
    """A session that has run once, and what it really runs on."""

    session: ort.InferenceSession
    provider: str
    precision: str
    caveat: str  # how it differs from what was asked for, one line, '' if it does not


class RequiredProviderError(BharnetError):
    """The provider that must be is not there."""


def order(wanted: str) -> list[str]:
    """Return the providers to try where this one is wanted, best first, the CPU last."""
    names = list(EXECUTION)
    return names if wanted == 'auto' else names[names.index(wanted) :]


def open_session(
    data: bytes,
    model_id: str,
    model_precision: str,
    runtime: RuntimeConfig,
    try_out: Callable[[ort.InferenceSession], None],
    note: Callable[[str], None],
) -> Running:
    """Open the model on the best provider of those asked for that works.

    Args:
        data: the model file.
        model_id: its hash, by which engines are cached.
        model_precision: 'float32' or 'float16', of the network in the file.
        runtime: what the user wants.
        try_out: checks the session and runs it once, which is when TensorRT builds its engine;
            a ContractError of it ends the search, any other exception ends the attempt.
        note: told before and after something takes long.

    Raises RequiredProviderError, ContractError of `try_out`, or what ONNX Runtime raises when
    not even the CPU can run the model.

    """
    # What it prints about a missing GPU; we say it ourselves, in one line.
    ort.set_default_logger_severity(4)
    half = 'float16' in (runtime.precision, model_precision) and runtime.precision != 'float32'
    caveats, reason = [], ''
    for name in order(runtime.provider):
        if EXECUTION[name] not in ort.get_available_providers():
            reason = reason or f'this onnxruntime was built without {name}'
            continue
        try:
            if name == 'tensorrt':
                session, trouble = _open_tensorrt(data, model_id, half, runtime, try_out, note)
            else:
                session, trouble = _open(data, name, {}, runtime, try_out), ''
        except ContractError:
            raise
        except Exception as error:
            if name == 'cpu':
                raise
            reason = reason or _why_not(name, error)
            continue
        break
    provider = running_on(session)
    if runtime.provider not in ('auto', provider):
        reason = reason or _why_not(runtime.provider, None)
        lack = f'provider {runtime.provider} is not available here ({reason})'
        if runtime.require_provider:
            raise RequiredProviderError(f'{lack}; make it work, or set require_provider to false')
        caveats.append(f'{lack}, running on {provider}')
    precision = 'float16' if half and provider == 'tensorrt' else model_precision
    if runtime.precision not in ('auto', precision):
        caveats.append(f'running in {precision}: only TensorRT makes {runtime.precision} of it')
    if provider == 'tensorrt' and trouble:
        caveats.append(trouble)
    return Running(session, provider, precision, '; '.join(caveats))


def running_on(session: ort.InferenceSession) -> str:
    """Return the provider that most of the graph's nodes were given to.

    A provider can be registered and still get no node.
    """
    nodes: Counter = Counter()
    if hasattr(session, 'get_provider_graph_assignment_info'):  # ONNX Runtime 1.24 or newer
        for part in session.get_provider_graph_assignment_info():
            nodes[part.ep_name] += len(part.get_nodes())
    best = nodes.most_common(1)[0][0] if nodes else session.get_providers()[0]
    return SHORT.get(best, best)


def _open(
    data: bytes,
    name: str,
    settings: dict[str, str],
    runtime: RuntimeConfig,
    try_out: Callable[[ort.InferenceSession], None],
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    # A spinning worker would hold a core that MediaPipe needs.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.add_session_config_entry('session.record_ep_graph_assignment_info', '1')
    options.log_severity_level = 4
    if name != 'cpu':
        _preload()
    names = [
        long
        for short, long in EXECUTION.items()
        if short in order(name) and long in ort.get_available_providers()
    ]
    # No fallback inside ONNX Runtime: it prints, and hides why.
    session = ort.InferenceSession(
        data,
        options,
        enable_fallback=False,
        providers=names,
        provider_options=[settings] + [{}] * (len(names) - 1),
    )
    try_out(session)
    return session


def _open_tensorrt(
    data: bytes,
    model_id: str,
    half: bool,
    runtime: RuntimeConfig,
    try_out: Callable[[ort.InferenceSession], None],
    note: Callable[[str], None],
) -> tuple[ort.InferenceSession, str]:
    """Return a session and what is wrong with the cache; a bad engine is built anew, once."""
    libraries = dependencies('tensorrt')
    missing = [library for library, path in libraries.items() if not path]
    if missing and not _wheels():
        raise RuntimeError(f'{missing[0]} is missing')
    key = EngineKey(
        model_id,
        tensorrt_version(libraries),
        ort.__version__,
        gpu_name(),
        'float16' if half else 'float32',
    )
    with EngineCache(key) as cache:
        while True:
            settings = {'trt_fp16_enable': str(half)}
            if cache.folder is not None:
                settings |= {
                    'trt_engine_cache_enable': 'True',
                    'trt_engine_cache_path': str(cache.folder),
                }
            was_ready, began = cache.ready, time.monotonic()
            if not was_ready:
                note(
                    f'building the TensorRT engine for {key.gpu} in {key.precision}; this can '
                    f'take minutes, once ({cache.folder or cache.trouble})'
                )
            try:
                session = _open(data, 'tensorrt', settings, runtime, try_out)
            except ContractError:
                raise
            except Exception:
                cache.clear()
                if not was_ready:
                    raise
                continue  # a sealed engine that TensorRT refuses
            if not was_ready:
                note(f'TensorRT engine built in {time.monotonic() - began:.0f} s')
            cache.seal()
            return session, cache.trouble


def dependencies(name: str) -> dict[str, str]:
    """Return the shared libraries that a provider needs, with their paths, '' if missing.

    Asks the loader, without loading: a provider must be loaded by ONNX Runtime itself.
    """
    library = Path(ort.__file__).parent / 'capi' / f'libonnxruntime_providers_{name}.so'
    try:
        lines = subprocess.run(
            ['ldd', library], capture_output=True, text=True, timeout=10
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.split('=>') for line in lines if '=>' in line)
    return {
        left.strip(): '' if 'not found' in right else right.split(' (')[0].strip()
        for left, right in pairs
    }


def tensorrt_version(libraries: dict[str, str]) -> str:
    """Return the number of the TensorRT library among these, 'unknown' if it cannot be read."""
    path = next(
        (path for name, path in libraries.items() if name.startswith('libnvinfer.so') and path), ''
    )
    try:
        return str(ctypes.CDLL(path).getInferLibVersion()) if path else 'unknown'
    except (OSError, AttributeError):
        return 'unknown'


def _wheels() -> bool:
    """Whether CUDA comes as NVIDIA's Python wheels, whose libraries only a program finds."""
    return bool(importlib.util.find_spec('nvidia')) and hasattr(ort, 'preload_dlls')


def _preload() -> None:
    if _wheels():
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            ort.preload_dlls()


def _why_not(name: str, error: Exception | None) -> str:
    missing = [library for library, path in dependencies(name).items() if not path]
    if missing:
        return f'{missing[0]} is missing'
    if error is None or not str(error).strip():
        return 'it finds no GPU'
    return reason_of(error, 300)
