"""From windows to class probabilities: an exported model in ONNX Runtime."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bharnet_ros.config import RuntimeConfig
from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.inference.bank import BANK_KEY, Bank
from bharnet_ros.inference.contract import (
    CROPS,
    EMBEDDING,
    METADATA_KEY,
    OUTPUT,
    Contract,
    ContractError,
)
from bharnet_ros.inference.model_file import ModelFileError, read_metadata
from bharnet_ros.inference.providers import RequiredProviderError, open_session
from bharnet_ros.inference.versions import too_old
from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.system.onnxruntime import ort
from bharnet_ros.system.resources import share_dir
from bharnet_ros.types import Clip

MODEL_SUFFIX = '.onnx'
MAX_BYTES = 500_000_000


class ModelError(BharnetError):
    """A model that cannot be loaded or run; the text says what to do."""


def find_model(name: str) -> Path:
    """Return the file for a path, or for the name of a model that came with the package."""
    try:
        path = Path(name).expanduser()
        if path.is_file():
            return path
    except (OSError, RuntimeError) as error:  # too long a name, or the home of nobody
        raise ModelError(f"no such model: '{name}' ({error})") from error
    models = share_dir() / 'models'
    if path.name == name:
        shipped = models / (name if name.endswith(MODEL_SUFFIX) else name + MODEL_SUFFIX)
        if shipped.is_file():
            return shipped
    have = ', '.join(sorted(file.stem for file in models.glob('*' + MODEL_SUFFIX)))
    raise ModelError(
        f"no such model: '{name}' is neither a file nor one of the package's own "
        f'({have or "none installed"})'
    )


class Model:
    """A loaded model, ready for its first window.

    `contract` says what it needs, `provider` and `precision` what it really runs on and in, and
    `caveat` in one line how that differs from what was asked for ('' if it does not). `bank` is
    what actions that are taught are told from; None if the model carries none.

    Examples:
        >>> model = Model('asl_words')
        >>> model.contract.layout, model.provider
        ('mediapipe_holistic', 'cpu')
        >>> [label for label in model.contract.actions if label.startswith('t')]
        ['thank-you', 'tea']

    """

    def __init__(
        self,
        model: str | Path,
        provider: str = RuntimeConfig.provider,
        threads: int = RuntimeConfig.threads,
        precision: str = RuntimeConfig.precision,
        require_provider: bool = RuntimeConfig.require_provider,
        note: Callable[[str], None] = lambda text: None,
    ):
        """Load, check and run once; ModelError in one plain line if it cannot serve.

        Args:
            model: a path, or the name of a model of the package.
            provider: where it runs; this and the next three are those of RuntimeConfig.
            threads: how many threads ONNX Runtime may use on the CPU.
            precision: of a TensorRT engine.
            require_provider: do not fall back from a named provider.
            note: told when something takes long, such as building an engine.

        """
        self.path = find_model(str(model))
        try:
            runtime = RuntimeConfig(provider, require_provider, precision, threads)
        except ValueError as error:
            raise ModelError(str(error)) from error
        text, data = self._read()
        self.model_id = hashlib.sha256(data).hexdigest()[:12]

        def try_out(session: ort.InferenceSession) -> None:
            # Two readers of one file may differ, or the file may have changed between them.
            if session.get_modelmeta().custom_metadata_map.get(METADATA_KEY) != text:
                raise ContractError('ONNX Runtime reads another contract in it; export it again')
            self._check_graph(session)
            self._warm_up(session)

        try:
            running = open_session(
                data, self.model_id, self.contract.precision, runtime, try_out, note
            )
        except ContractError as error:
            raise ModelError(f'{self.path}: {error}') from error
        except RequiredProviderError as error:
            raise ModelError(str(error)) from error
        except Exception as error:
            if lack := too_old(str(error), ort.__version__):
                raise ModelError(f'{self.path} {lack}') from error
            raise ModelError(
                f'{self.path} is not a model that ONNX Runtime can load and run, or '
                f'is truncated: {reason_of(error, 160)}'
            ) from error
        self._session = running.session
        self.provider, self.precision = running.provider, running.precision
        self.caveat = running.caveat

    def _read(self) -> tuple[str, bytes]:
        """Check the contract, then read the file; return the contract's text and all bytes."""
        try:
            with self.path.open('rb') as file:
                metadata = read_metadata(file)
                self.contract = Contract.from_metadata(metadata)
                self._check_layout()
                self.bank: Bank | None = None
                if self.contract.embedding and BANK_KEY in metadata:
                    self.bank = Bank.from_text(metadata[BANK_KEY], self.contract.embedding)
                size = file.seek(0, os.SEEK_END)
                if size > MAX_BYTES:
                    raise ContractError(f'{size / 1e6:.0f} MB is too large for a model')
                file.seek(0)
                return metadata[METADATA_KEY], file.read(MAX_BYTES)
        except ModelFileError as error:
            raise ModelError(
                f'{self.path} is not a model (.onnx), or is truncated: {error}'
            ) from error
        except (ContractError, OSError) as error:
            raise ModelError(f'{self.path}: {error}') from error
        except MemoryError as error:
            raise ModelError(f'{self.path}: too little memory to load it') from error

    def _check_layout(self) -> None:
        if self.contract.layout not in DETECTOR_LAYOUTS or self.contract.persons != 1:
            raise ContractError(
                f"it needs keypoint layout '{self.contract.layout}' of {self.contract.persons} "
                f'person(s), the detector gives {", ".join(DETECTOR_LAYOUTS)} of one'
            )

    def _check_graph(self, session: ort.InferenceSession) -> None:
        layout = DETECTOR_LAYOUTS[self.contract.layout]
        steps = self.contract.window_steps
        wanted = {
            'body': (steps, len(layout.body), 4),
            'left_hand': (steps, len(layout.hand), 3),
            'right_hand': (steps, len(layout.hand), 3),
            'mask': (steps, 3),
            'aspect': (),
        }
        if (crops := self.contract.crops) is not None:
            wanted[CROPS] = (crops.frames, *crops.shape)
        inputs = {item.name: item for item in session.get_inputs()}
        if set(inputs) != set(wanted):
            raise ContractError(f'its graph takes {sorted(inputs)}, not {sorted(wanted)}')
        for name, shape in wanted.items():
            kind = 'tensor(uint8)' if name == CROPS else 'tensor(float)'
            if tuple(inputs[name].shape[1:]) != shape or inputs[name].type != kind:
                raise ContractError(
                    f'its input {name} is {inputs[name].shape} '
                    f'{inputs[name].type}, the contract says {shape}'
                )
        outputs = {item.name: item for item in session.get_outputs()}
        given = outputs[OUTPUT].shape if OUTPUT in outputs else []
        if len(given) != 2 or given[1] != len(self.contract.labels):
            raise ContractError('its graph does not give one probability a label')
        size = self.contract.embedding
        if size and (EMBEDDING not in outputs or outputs[EMBEDDING].shape[1:] != [size]):
            raise ContractError(f'its graph does not give an embedding of {size} numbers')

    def _warm_up(self, session: ort.InferenceSession) -> None:
        """Run once: the first run allocates, and shows what the graph really gives."""
        found = session.run([OUTPUT], self._feed([self._empty_clip()]))[0]
        if found.shape != (1, len(self.contract.labels)) or found.dtype != np.float32:
            raise ContractError('its graph does not give one probability a label')
        if not np.isfinite(found).all():
            raise ContractError('its graph gives numbers that are not finite')

    def _empty_clip(self) -> Clip:
        layout, steps = DETECTOR_LAYOUTS[self.contract.layout], self.contract.window_steps
        hand = np.zeros((steps, len(layout.hand), 3), np.float32)
        crops = self.contract.crops
        return Clip(
            np.zeros((steps, len(layout.body), 4), np.float32),
            hand,
            hand,
            np.zeros((steps, 3), np.float32),
            0.5625,
            None if crops is None else np.zeros((crops.frames, *crops.shape), np.uint8),
        )

    def bare(self) -> tuple[ort.InferenceSession, dict[str, np.ndarray]]:
        """Return the session and a feed for it, for measuring ONNX Runtime alone."""
        return self._session, self._feed([self._empty_clip()])

    def _feed(self, clips: list[Clip]) -> dict[str, np.ndarray]:
        return {
            name: np.stack([getattr(clip, name) for clip in clips]).astype(
                np.uint8 if name == CROPS else np.float32, copy=False
            )
            for name in self.contract.inputs
        }

    def infer(self, clips: list[Clip]) -> np.ndarray:
        """Return (N, K) float32 probabilities for N windows; ModelError if the run fails."""
        return self._run([OUTPUT], clips)[0]

    def infer_embedded(self, clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, K) float32 probabilities and (N, E) float32 embeddings for N windows.

        Windows of the same movement lie close to each other in the embedding, also of movements
        that the model was never taught. ModelError if the model gives none, or the run fails.
        """
        if not self.contract.embedding:
            raise ModelError(f'{self.path} gives no embedding; export it again with this version')
        probabilities, embedding = self._run([OUTPUT, EMBEDDING], clips)
        return probabilities, embedding

    def _run(self, outputs: list[str], clips: list[Clip]) -> list[np.ndarray]:
        try:
            return self._session.run(outputs, self._feed(clips))
        except Exception as error:
            raise ModelError(f'{self.path}: inference failed: {reason_of(error, 300)}') from error
