"""Reading TFLite files: operators, shapes, and weights that are dense and float32."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

from bharnet_ros.errors import BharnetError

KINDS = {
    number: name for name, number in vars(tflite.BuiltinOperator).items() if type(number) is int
}
TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.INT64: np.int64,
}
VECTORS = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}


class TfliteError(BharnetError):
    """A TFLite file that is none, or holds what we cannot read; one plain line."""


@dataclass(frozen=True)
class Operator:
    """One step of a network. Inputs and outputs are numbers of tensors, -1 for one left out."""

    kind: str  # such as CONV_2D
    inputs: list[int]
    outputs: list[int]
    table: tflite.Operator

    def options(self, kind: type) -> Any:
        """Return the operator's settings, read as a table of the given class."""
        found, table = kind(), self.table.BuiltinOptions()
        found.Init(table.Bytes, table.Pos)
        return found


class TfliteFile:
    """The first graph of a TFLite file.

    `shapes` (of each tensor, batch first), `constants` (tensor number -> array), `operators` in
    the order in which they run, `inputs` and `outputs` (tensor numbers). TfliteError if it
    cannot be read.
    """

    def __init__(self, data: bytes):
        if data[4:8] != b'TFL3':
            raise TfliteError('it is no TFLite file')
        try:
            self._read(tflite.Model.GetRootAsModel(data, 0))
        except TfliteError:
            raise
        except Exception as error:  # flatbuffers raises what it runs into
            raise TfliteError(f'the TFLite file is damaged: {error}') from error

    def _read(self, model: tflite.Model) -> None:
        graph = model.Subgraphs(0)
        tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
        self.inputs = graph.InputsAsNumpy().tolist()
        self.outputs = graph.OutputsAsNumpy().tolist()
        self.shapes = [_list(tensor.ShapeAsNumpy()) for tensor in tensors]
        self.constants = {
            number: values
            for number, tensor in enumerate(tensors)
            if (values := _constant(model, tensor)) is not None
        }
        self.operators = []
        for i in range(graph.OperatorsLength()):
            table = graph.Operators(i)
            code = model.OperatorCodes(table.OpcodeIndex())
            self.operators.append(
                Operator(
                    # Files from before there were more than 127 kinds have the old field alone.
                    KINDS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())],
                    _list(table.InputsAsNumpy()),
                    _list(table.OutputsAsNumpy()),
                    table,
                )
            )


def _list(values: np.ndarray | int) -> list[int]:
    """Return a vector of flatbuffers, which is 0 where it is empty."""
    return [] if isinstance(values, int) else values.tolist()


def _constant(model: tflite.Model, tensor: tflite.Tensor) -> np.ndarray | None:
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(raw, int) or not len(raw):
        return None
    if tensor.Type() not in TYPES:
        raise TfliteError(f'weights of type {tensor.Type()} are not supported')
    values = np.frombuffer(raw.tobytes(), TYPES[tensor.Type()])
    shape = _list(tensor.ShapeAsNumpy())
    sparsity = tensor.Sparsity()
    values = values.reshape(shape) if sparsity is None else densify(values, shape, sparsity)
    return values.astype(np.float32) if values.dtype == np.float16 else values


def densify(
    values: np.ndarray, shape: Sequence[int], sparsity: tflite.SparsityParameters
) -> np.ndarray:
    """Return the dense array of a sparse one.

    TFLite stores a tree: a level for each dimension in `TraversalOrder`, those from `len(shape)`
    on being the insides of blocks. A level is either dense, or lists which children each parent
    has. We walk all branches of a level at once.
    """
    order, blocked = _list(sparsity.TraversalOrderAsNumpy()), _list(sparsity.BlockMapAsNumpy())
    place: np.ndarray = np.zeros(1, np.int64)  # of every branch at its level
    indices: list[np.ndarray] = []  # of every branch at each level before
    block_size = dict.fromkeys(range(len(shape)), 1)
    for level, axis in enumerate(order):
        about = sparsity.DimMetadata(level)
        if about.Format() == tflite.DimensionType.DENSE:
            size = about.DenseSize()
            if axis >= len(shape):
                block_size[blocked[axis - len(shape)]] = size
            own = np.tile(np.arange(size), len(place))
            counts = np.full(len(place), size)
            place = np.repeat(place * size, counts) + own
        else:
            segments = _vector(about.ArraySegmentsType(), about.ArraySegments())
            children = _vector(about.ArrayIndicesType(), about.ArrayIndices())
            counts = segments[place + 1] - segments[place]
            before = np.cumsum(counts) - counts
            place = np.repeat(segments[place] - before, counts) + np.arange(counts.sum())
            own = children[place]
        indices = [*(np.repeat(index, counts) for index in indices), own]
    full = [np.zeros(len(place), np.int64) for _ in shape]
    for axis, index in zip(order, indices, strict=True):
        if axis < len(shape):
            full[axis] += index * block_size[axis]
        else:
            full[blocked[axis - len(shape)]] += index
    dense: np.ndarray = np.zeros(shape, values.dtype)
    dense[tuple(full)] = values[place]
    return dense


def _vector(kind: int, table: Any) -> np.ndarray:
    vector = VECTORS[kind]()
    vector.Init(table.Bytes, table.Pos)
    return vector.ValuesAsNumpy().astype(np.int64)
