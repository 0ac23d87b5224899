"""MediaPipe's networks in ONNX Runtime, converted once from the installed wheel."""

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bharnet_ros.config import RuntimeConfig
from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.inference.providers import RequiredProviderError, open_session
from bharnet_ros.system.onnxruntime import ort
from bharnet_ros.system.parts import PEOPLE, needing
from bharnet_ros.system.places import cache_home
from bharnet_ros.system.writing import WriteError, whole_file


class NetworkError(BharnetError):
    """A network that cannot be had or run; one plain line."""


@dataclass(frozen=True)
class Spec:
    """A network of the wheel. Its images are squares of `size` pixels, RGB, in low..high."""

    file: str  # below mediapipe/modules
    size: int
    outputs: Mapping[str, int]  # those that we use, name -> number in the file
    low: float = 0.0
    high: float = 1.0


POSE_DETECTION = Spec(
    'pose_detection/pose_detection.tflite', 224, {'boxes': 0, 'scores': 1}, low=-1.0
)
POSE_LANDMARKS = Spec(
    'pose_landmark/pose_landmark_full.tflite',
    256,
    {'landmarks': 0, 'presence': 1, 'heatmap': 3, 'world': 4},
)
HAND_RECROP = Spec('holistic_landmark/hand_recrop.tflite', 256, {'landmarks': 0})
HAND_LANDMARKS = Spec(
    'hand_landmark/hand_landmark_full.tflite', 224, {'landmarks': 0, 'presence': 1}
)


def wheel_file(spec: Spec) -> bytes:
    """Return a file of the installed mediapipe wheel; NetworkError if it is not there."""
    found = importlib.util.find_spec('mediapipe')
    folders = list(found.submodule_search_locations or ()) if found else []
    if not folders:
        raise NetworkError('mediapipe, whose networks we use, is not installed')
    path = Path(folders[0]) / 'modules' / spec.file
    try:
        return path.read_bytes()
    except OSError as error:
        raise NetworkError(
            f'the installed mediapipe has no {spec.file} ({error.strerror}); versions from '
            '0.10.30 on lack the networks: install the one that this package asks for'
        ) from error


def onnx_model(spec: Spec, note: Callable[[str], None] = lambda text: None) -> bytes:
    """Return a network as an ONNX model, from the user's cache if it is there and whole.

    Entries are named by the file's hash and the converter's version, and sealed with a hash of
    both name and content, so one that is damaged or of another is made anew. Where nothing can
    be kept it is converted at every start, and `note` is told. NetworkError if it cannot be had.
    """
    with needing(PEOPLE):
        from bharnet_ros.detectors.tflite_file import TfliteError
        from bharnet_ros.detectors.tflite_onnx import VERSION, convert
    source = wheel_file(spec)
    stem = Path(spec.file).stem
    digest = hashlib.sha256(f'{VERSION} {sorted(spec.outputs.items())} '.encode() + source)
    name = f'{stem}-{digest.hexdigest()[:16]}'
    folder = None
    with suppress(RuntimeError):  # no home
        folder = cache_home() / 'networks'
        with suppress(OSError):
            seal, _, data = (folder / name).read_bytes().partition(b'\n')
            if seal == _seal(name, data):
                return data
    try:
        data = convert(source, spec.outputs)
    except TfliteError as error:
        raise NetworkError(f'{spec.file} of the installed mediapipe: {error}') from error
    try:
        if folder is None:
            raise OSError('there is no home')
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(folder / name) as partial:
            partial.write_bytes(_seal(name, data) + b'\n' + data)
    except (OSError, WriteError) as error:
        note(f'{stem} cannot be kept and is converted at every start: {reason_of(error)}')
    return data


def _seal(name: str, data: bytes) -> bytes:
    return hashlib.sha256(name.encode() + data).hexdigest().encode()


class Network:
    """One network, ready to run on any number of images.

    `provider`, `precision` and `caveat` are those of `inference.model.Model`.
    """

    def __init__(
        self, spec: Spec, runtime: RuntimeConfig, note: Callable[[str], None] = lambda text: None
    ):
        """Convert or load it, and run it once; NetworkError in one plain line."""
        self.spec = spec
        data = onnx_model(spec, note)
        empty = np.zeros((1, spec.size, spec.size, 3), np.float32)

        def try_out(session: ort.InferenceSession) -> None:
            session.run(None, {'image': empty})

        try:
            running = open_session(
                data, hashlib.sha256(data).hexdigest()[:12], 'float32', runtime, try_out, note
            )
        except RequiredProviderError as error:
            raise NetworkError(f'{error}') from error
        except Exception as error:
            raise NetworkError(
                f'{spec.file} does not run in ONNX Runtime: {reason_of(error, 160)}'
            ) from error
        self._session = running.session
        self.provider, self.precision = running.provider, running.precision
        self.caveat = running.caveat

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Run on (N, size, size, 3) uint8, BGR; return the outputs by name, N first, float32."""
        scale = (self.spec.high - self.spec.low) / 255
        pixels = images[..., ::-1].astype(np.float32, order='C')
        pixels *= scale
        pixels += self.spec.low
        try:
            found = self._session.run(list(self.spec.outputs), {'image': pixels})
        except Exception as error:
            raise NetworkError(f'{self.spec.file}: {reason_of(error, 300)}') from error
        return dict(zip(self.spec.outputs, found, strict=True))
