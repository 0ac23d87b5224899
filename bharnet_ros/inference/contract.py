"""What an exported model expects and gives: JSON inside the ONNX file, checked before use."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from bharnet_ros.errors import BharnetError
from bharnet_ros.layouts import DATA_LAYOUTS
from bharnet_ros.types import CropShape

METADATA_KEY = 'bharnet_contract'
SCHEMA_VERSION = 1  # raised when a reader of the old schema would misuse a new model

# The graph's inputs, in order, for N windows of T steps: body (N, T, V, 4), hands (N, T, V, 3),
# mask (N, T, 3), aspect (N,), all float32 and raw (see window.Clip). A model of several persons
# (data sets only) has an axis of persons before T.
INPUTS = ('body', 'left_hand', 'right_hand', 'mask', 'aspect')
CROPS = 'crops'  # (N, K, R, S, S, 3) uint8, BGR: one more input, last, if the contract has crops
OUTPUT = 'probabilities'  # (N, K) float32, rows sum to 1
EMBEDDING = 'embedding'  # (N, E) float32, what the classes were read off; only if E > 0


class ContractError(BharnetError):
    """A model file that this version cannot serve."""


@dataclass(frozen=True)
class Contract:
    """All that a program must know of a model to feed it and to name its answers."""

    name: str
    labels: tuple[str, ...]
    idle: str | None  # the label of people at rest
    layout: str  # of the raw keypoints, a name in layouts.DATA_LAYOUTS
    window_seconds: float
    window_steps: int  # T
    preprocessing: dict[str, Any]  # for people: it is inside the graph
    network: dict[str, Any]
    training: dict[str, Any]  # data, licences, assumptions
    metrics: dict[str, Any]
    commit: str
    package_version: str
    schema_version: int = SCHEMA_VERSION
    license: str = 'Apache-2.0'
    notes: list[str] = field(default_factory=list)
    persons: int = 1  # that one window holds
    precision: str = 'float32'  # of the network inside the graph; inputs and outputs are float32
    temperature: float = 1.0  # the logits are divided by it, in the graph
    rejection_threshold: float | None = None  # a smaller best probability may be an unknown action
    unknown: str | None = None  # the label of actions that are none of the others
    min_duration: float | None = None  # of the decision, seconds: how long it takes to be sure
    smoothing: float | None = None  # the same, time constant
    embedding: int = 0  # E, numbers of the graph's second output; 0: it has none
    crops: CropShape | None = None  # the small pictures that it looks at; None: keypoints alone

    @property
    def idle_id(self) -> int:
        """Index of the idle label, -1 if there is none."""
        return self.labels.index(self.idle) if self.idle is not None else -1

    @property
    def unknown_id(self) -> int:
        """Index of the label of unknown actions, -1 if there is none."""
        return self.labels.index(self.unknown) if self.unknown is not None else -1

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the graph's inputs, in order."""
        return INPUTS if self.crops is None else (*INPUTS, CROPS)

    @property
    def uses_hands(self) -> bool:
        """Whether the network looks at hands; True where the contract does not say."""
        return self.network.get('hand', True) is not None

    @property
    def actions(self) -> tuple[str, ...]:
        """The labels that may be told as actions: all but idle and unknown."""
        return tuple(name for name in self.labels if name not in (self.idle, self.unknown))

    def to_json(self) -> str:
        """Return the text that goes into the file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> 'Contract':
        """Read the metadata map of an ONNX file; ContractError says what is wrong with it."""
        if METADATA_KEY not in metadata:
            raise ContractError(
                'not a bharnet_ros model: it carries no contract; '
                'export it with `bharnet-train export`'
            )
        try:
            data = json.loads(metadata[METADATA_KEY])
            version = data['schema_version']
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ContractError(f'its contract is damaged ({error}); export it again') from error
        if version != SCHEMA_VERSION:
            raise ContractError(
                f'its contract has schema version {version}, this package reads '
                f'{SCHEMA_VERSION}; export it again with this version'
            )
        known = {item.name for item in fields(cls)}
        try:
            if not isinstance(data['labels'], list):
                raise ContractError('its contract holds no list of labels')
            data['labels'] = tuple(data['labels'])
            if crops := data.get('crops'):
                data['crops'] = CropShape(**{**crops, 'rows': tuple(crops['rows'])})
            contract = cls(**{key: value for key, value in data.items() if key in known})
            contract.check()
        except (TypeError, KeyError, ValueError) as error:
            raise ContractError(f'its contract is incomplete: {error}') from error
        return contract

    def check(self) -> None:
        """Raise ContractError if the values cannot be served."""
        for name in ('name', 'layout', 'commit', 'package_version', 'license'):
            if not isinstance(getattr(self, name), str):
                raise ContractError(f'its {name} is not a text')
        if type(self.window_steps) is not int or type(self.window_seconds) not in (int, float):
            raise ContractError('its window is not a number of seconds and a number of steps')
        labels = self.labels
        if not labels or not all(isinstance(name, str) and name for name in labels):
            raise ContractError('its contract names no labels')
        if len(set(labels)) != len(labels):
            raise ContractError('its contract names a label twice')
        if self.idle is not None and self.idle not in labels:
            raise ContractError(f"its idle label '{self.idle}' is not among its labels")
        if self.unknown is not None and (self.unknown not in labels or self.unknown == self.idle):
            raise ContractError(
                f"its label of the unknown, '{self.unknown}', is not among its "
                'labels, or is that of idle'
            )
        if not self.actions:
            raise ContractError('its contract names no action beside idle and unknown')
        if self.layout not in DATA_LAYOUTS:
            raise ContractError(
                f"it needs keypoint layout '{self.layout}', this package knows "
                f'{", ".join(DATA_LAYOUTS)}'
            )
        if type(self.persons) is not int or not 1 <= self.persons <= 8:
            raise ContractError(f'impossible number of persons: {self.persons}')
        if type(self.embedding) is not int or not 0 <= self.embedding <= 4096:
            raise ContractError(f'impossible size of an embedding: {self.embedding}')
        if self.precision not in ('float32', 'float16'):
            raise ContractError(f'impossible precision: {self.precision}')
        for name in ('temperature', 'rejection_threshold', 'min_duration', 'smoothing'):
            value = getattr(self, name)
            if value is not None and type(value) not in (int, float):
                raise ContractError(f'its {name} is not a number')
        if self.rejection_threshold is not None and not 0 < self.rejection_threshold <= 1:
            raise ContractError(f'impossible rejection threshold: {self.rejection_threshold}')
        for name in ('min_duration', 'smoothing'):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 10:
                raise ContractError(f'impossible {name}: {value} s')
        if not 0.1 <= self.window_seconds <= 60 or not 2 <= self.window_steps <= 1024:
            raise ContractError(
                f'impossible window: {self.window_seconds} s, {self.window_steps} steps'
            )
