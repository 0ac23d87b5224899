"""Actions that were taught, not trained: a small file beside a model, and the two as one model."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from bharnet_ros.config import RuntimeConfig
from bharnet_ros.errors import reason_of
from bharnet_ros.inference.bank import Bank
from bharnet_ros.inference.contract import Contract
from bharnet_ros.inference.model import Model, ModelError, find_model
from bharnet_ros.system.onnxruntime import ort
from bharnet_ros.system.places import data_home
from bharnet_ros.system.writing import whole_file
from bharnet_ros.types import Clip

SUFFIX = '.taught.npz'
SCHEMA_VERSION = 1
MAX_BYTES = 20_000_000
OWN, HIGHEST = 0.6, 0.99  # probability at an action's radius: alone; beside words at most
UNKNOWN = 'unknown'  # the label of what is not taught, of an encoder that has none


@dataclass(frozen=True)
class About:
    """What a taught file says of itself, as JSON."""

    name: str
    encoder: str  # the model that it was taught with: its name, or its path
    encoder_id: str  # the first digits of that file's SHA-256
    actions: tuple[str, ...]
    takes: tuple[int, ...]  # how many each was learned from
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, eq=False)
class TaughtActions:
    """M centres of A actions among the embeddings of an encoder.

    A window is an action if it is nearer to one of the action's centres than its radius. Both are
    cosines of `Bank.direction`, so more is nearer.
    """

    about: About
    centres: np.ndarray  # (M, E) float32, unit length
    owner: np.ndarray  # (M,) int, the action of a centre
    radius: np.ndarray  # (A,) float32, cosine
    width: np.ndarray  # (A,) float32, cosine: how softly an action ends there

    def check(self) -> None:
        """Raise ModelError if these numbers cannot serve."""
        count = len(self.about.actions)
        if not count or not all(isinstance(a, str) and a for a in self.about.actions):
            raise ModelError('it names no actions')
        if len(set(self.about.actions)) != count or len(self.about.takes) != count:
            raise ModelError('its actions and their takes do not fit each other')
        if self.centres.ndim != 2 or self.owner.shape != self.centres.shape[:1]:
            raise ModelError('its centres and their actions do not fit each other')
        if set(self.owner.tolist()) != set(range(count)):
            raise ModelError('an action of it has no centre')
        if self.radius.shape != (count,) or self.width.shape != (count,):
            raise ModelError('an action of it has no radius')
        for values in (self.centres, self.radius, self.width):
            if not np.isfinite(values).all():
                raise ModelError('it holds NaN or infinite numbers')
        if not (self.width > 0).all():
            raise ModelError('the width of an action is not above 0')

    def to_bytes(self) -> bytes:
        """Return the file."""
        file = io.BytesIO()
        np.savez(
            file,
            about=np.array(json.dumps(asdict(self.about), ensure_ascii=False)),
            centres=self.centres.astype(np.float32),
            owner=self.owner.astype(np.int64),
            radius=self.radius.astype(np.float32),
            width=self.width.astype(np.float32),
        )
        return file.getvalue()

    def write(self, path: Path) -> None:
        """Write it, whole or not at all; WriteError."""
        with whole_file(path) as partial:
            partial.write_bytes(self.to_bytes())

    @classmethod
    def read(cls, path: Path) -> 'TaughtActions':
        """Read and check a file; ModelError says in one plain line what is wrong with it."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ModelError(f'it is larger than {MAX_BYTES / 1e6:.0f} MB')
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
                about = json.loads(str(data['about']))
                if about.get('schema_version') != SCHEMA_VERSION:
                    raise ModelError('another version of this package wrote it')
                known = {item.name for item in fields(About)}
                about = About(**{key: about[key] for key in about if key in known})
                about = replace(about, actions=tuple(about.actions), takes=tuple(about.takes))
                for name in ('name', 'encoder', 'encoder_id'):
                    if not isinstance(getattr(about, name), str):
                        raise ModelError(f'its {name} is not a text')
                numbers = (data[key] for key in ('centres', 'owner', 'radius', 'width'))
                found = cls(about, *numbers)
            found.check()
        except OSError as error:
            raise ModelError(f'{path}: {error}') from error
        except Exception as error:  # NumPy, zip and JSON raise many kinds of flipped bits
            raise ModelError(
                f'{path} is no file of taught actions, or is damaged '
                f'({reason_of(error, 160)}); teach it again'
            ) from error
        return found

    def probabilities(self, directions: np.ndarray, threshold: float) -> np.ndarray:
        """Return (N, A) probabilities of the actions; what is left to 1 is none of them.

        `directions` (N, E) are those of the bank; `threshold` is the probability at the radius.
        """
        near = directions @ self.centres.T
        best = np.stack(
            [near[:, self.owner == action].max(1) for action in range(len(self.radius))], 1
        )
        odds = np.exp(np.clip((best - self.radius) / self.width, -40, 40))
        odds *= threshold / (1 - threshold)
        return odds / (1 + odds.sum(1, keepdims=True))


class TaughtModel(Model):
    """A model that answers with what was taught; else it is a `Model` like any other.

    Its labels are the taught actions, rest, and unknown; with `words` also those of its encoder,
    to which goes what the taught actions leave.
    """

    def __init__(
        self,
        path: Path,
        words: bool = False,
        runtime: RuntimeConfig = RuntimeConfig(),  # noqa: B008
        note: Callable[[str], None] = lambda text: None,
    ):
        """Load the file and its encoder; ModelError in one plain line if they do not fit."""
        self.taught = taught = TaughtActions.read(path)
        about = taught.about
        try:
            self.encoder = encoder = Model(
                about.encoder,
                runtime.provider,
                runtime.threads,
                runtime.precision,
                runtime.require_provider,
                note,
            )
        except ModelError as error:
            raise ModelError(f'{path} needs its encoder {about.encoder}: {error}') from error
        if encoder.model_id != about.encoder_id:
            raise ModelError(
                f'{path} was taught with another {encoder.contract.name} ({about.encoder_id}, '
                f'this is {encoder.model_id}): run "bharnet teach --name {about.name}", which '
                'teaches the same takes again'
            )
        self.bank = require_bank(encoder)
        if encoder.contract.embedding != taught.centres.shape[1]:
            raise ModelError(f'{path} does not fit {encoder.path}: teach it again')
        self.words = words  # whether it also tells those of its encoder
        self.contract, self._answers = answers_of(about, encoder.contract, words)
        self._threshold = self.contract.rejection_threshold or OWN
        digest = hashlib.sha256(taught.to_bytes() + encoder.model_id.encode() + bytes([words]))
        self.path, self.model_id = path, digest.hexdigest()[:12]
        self.provider, self.precision = encoder.provider, encoder.precision
        self.caveat = encoder.caveat

    def bare(self) -> tuple[ort.InferenceSession, dict[str, np.ndarray]]:
        """See `Model.bare`."""
        return self.encoder.bare()

    def infer(self, clips: list[Clip]) -> np.ndarray:
        """See `Model.infer`; the classes are those of the contract."""
        return self.infer_embedded(clips)[0]

    def infer_embedded(self, clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
        """See `Model.infer_embedded`."""
        encoded, embedding = self.encoder.infer_embedded(clips)
        taught = self.taught.probabilities(
            require_bank(self).direction(embedding), self._threshold
        )
        left = 1 - taught.sum(1, keepdims=True)
        both = np.concatenate([taught, left * encoded], 1) @ self._answers
        return both.astype(np.float32), embedding


def answers_of(about: About, encoder: Contract, words: bool) -> tuple[Contract, np.ndarray]:
    """Return the contract of taught actions, and what sums them and the encoder's classes to it.

    The matrix is (A + K, labels). A word that is taught, too, is one label.
    """
    labels = list(about.actions)
    if words:
        labels += [label for label in encoder.labels if label not in labels]
    unknown = encoder.unknown or UNKNOWN
    for silent in (encoder.idle, unknown):
        if silent is not None and silent not in labels:
            labels.append(silent)
    matrix = np.zeros((len(about.actions) + len(encoder.labels), len(labels)), np.float32)
    for row, label in enumerate(about.actions):
        matrix[row, labels.index(label)] = 1
    for row, label in enumerate(encoder.labels, len(about.actions)):
        told = label if words or label == encoder.idle else unknown
        matrix[row, labels.index(told)] = 1
    threshold = min(encoder.rejection_threshold or OWN, HIGHEST) if words else OWN
    return (
        replace(
            encoder,
            name=f'{encoder.name}+{about.name}' if words else about.name,
            labels=tuple(labels),
            unknown=unknown,
            rejection_threshold=threshold,
            metrics=encoder.metrics if words else {},
            training={
                **encoder.training,
                'taught': dict(zip(about.actions, about.takes, strict=True)),
            },
            notes=[*encoder.notes, 'Taught by examples: ' + ', '.join(about.actions) + '.'],
        ),
        matrix,
    )


def encoder_of(model: Model) -> Model:
    """Return the model whose embeddings a model answers by: often itself."""
    return model.encoder if isinstance(model, TaughtModel) else model


def reference_to(model: Model) -> str:
    """Return by what a taught file names its encoder: the name of a shipped model, else a path."""
    shipped = model.path.stem
    try:
        if find_model(shipped).samefile(model.path):
            return shipped
    except ModelError:
        pass
    return str(model.path.resolve())


def require_bank(model: Model) -> Bank:
    """Return the bank of a model; ModelError if it cannot be taught."""
    if model.bank is None:
        raise ModelError(
            f'{model.contract.name} cannot be taught: its file holds no bank of other actions; '
            'take a model of this version, or export yours again'
        )
    return model.bank


def actions_dir() -> Path:
    """Return the folder of a user's taught actions; it need not exist."""
    return data_home() / 'bharnet_ros' / 'actions'


def find_taught(name: str) -> Path | None:
    """Return the file for a path, or for the name of a set of actions of this user."""
    try:
        path = Path(name).expanduser()
        if path.name.endswith(SUFFIX) and path.is_file():
            return path
        own = actions_dir() / f'{name}{SUFFIX}'
        return own if path.name == name and own.is_file() else None
    except (OSError, RuntimeError):
        return None


def taught_names() -> list[str]:
    """Return the names of the sets of actions of this user that are taught."""
    return sorted(file.name.removesuffix(SUFFIX) for file in actions_dir().glob('*' + SUFFIX))
