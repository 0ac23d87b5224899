"""Float networks of TFLite as ONNX models with a free batch dimension."""

from collections.abc import Mapping

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

from bharnet_ros.detectors.tflite_file import Operator, TfliteError, TfliteFile

VERSION = 1  # raised when the same file would give another model
OPSET, IR_VERSION = 17, 8  # that the oldest ONNX Runtime of ours reads
INPUT = 'image'
TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
SAME = tflite.Padding.SAME
ACTIVATION = tflite.ActivationFunctionType


def convert(data: bytes, outputs: Mapping[str, int]) -> bytes:
    """Return a TFLite file of one input as an ONNX model.

    Args:
        data: the file.
        outputs: the outputs to keep, name -> number in the file; what only others need is left
            out.

    The model takes `image`, (N, H, W, C) float32, and gives the named outputs with their shapes
    in the file, N in place of 1. TfliteError if the file holds what we cannot convert.

    """
    return _Conversion(TfliteFile(data)).model(outputs)


class _Conversion:
    """Images are kept as (N, C, H, W) inside, which is what ONNX has operators for."""

    def __init__(self, file: TfliteFile):
        self._file = file
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._names: dict[int, str] = {}  # tensor number -> name of its value
        self._constants = dict(file.constants)

    def model(self, outputs: Mapping[str, int]) -> bytes:
        (number,) = self._file.inputs
        self._names[number] = self._add('Transpose', [INPUT], perm=TO_NCHW)
        for operator in self._file.operators:
            self._convert(operator)
        given = []
        for name, place in outputs.items():
            number = self._file.outputs[place]
            self._nodes.append(helper.make_node('Identity', [self._as_stored(number)], [name]))
            given.append(self._about(name, number))
        self._drop_unneeded(set(outputs))
        graph = helper.make_graph(
            self._nodes, 'network', [self._about(INPUT, self._file.inputs[0])], given
        )
        graph.initializer.extend(self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model.SerializeToString()

    def _about(self, name: str, number: int) -> onnx.ValueInfoProto:
        shape: list[str | int | None] = ['N', *self._file.shapes[number][1:]]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def _drop_unneeded(self, needed: set[str]) -> None:
        kept = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        self._nodes = kept[::-1]
        self._weights = [weight for weight in self._weights if weight.name in needed]

    def _add(self, kind: str, inputs: list[str], **attributes) -> str:
        name = f'{kind.lower()}_{len(self._nodes)}'
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _weight(self, values: np.ndarray) -> str:
        name = f'weight_{len(self._weights)}'
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _value(self, number: int) -> str:
        """Return the name of a tensor that is computed, or of a constant as a weight."""
        if number not in self._names:
            values = self._constants[number]
            self._names[number] = self._weight(
                values.transpose(TO_NCHW) if values.ndim == 4 else values
            )
        return self._names[number]

    def _as_stored(self, number: int) -> str:
        """Return the name of a tensor in the order of axes that TFLite has."""
        if len(self._file.shapes[number]) != 4:
            return self._value(number)
        return self._add('Transpose', [self._value(number)], perm=TO_NHWC)

    def _convert(self, operator: Operator) -> None:
        if operator.kind not in OPERATORS:
            raise TfliteError(f'the operator {operator.kind} is not supported')
        name = OPERATORS[operator.kind](self, operator)
        if name is not None:
            self._names[operator.outputs[0]] = name

    def _activated(self, name: str, activation: int) -> str:
        if activation == ACTIVATION.NONE:
            return name
        if activation == ACTIVATION.RELU:
            return self._add('Relu', [name])
        if activation == ACTIVATION.RELU6:
            bounds = [self._weight(np.array(bound, np.float32)) for bound in (0, 6)]
            return self._add('Clip', [name, *bounds])
        raise TfliteError(f'the activation {activation} is not supported')

    def _pads(
        self, number: int, padding: int, kernel: list[int], strides: list[int], steps: list[int]
    ) -> list[int]:
        """Return what ONNX adds at top, left, bottom, right: TFLite's SAME, or nothing."""
        if padding != SAME:
            return [0] * 4
        before, after = [], []
        sizes = self._file.shapes[number][1:3]
        for size, width, stride, step in zip(sizes, kernel, strides, steps, strict=True):
            total = max((-(-size // stride) - 1) * stride + (width - 1) * step + 1 - size, 0)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after

    # One method for each kind of operator; it returns the name of the result.

    def _pass_on(self, operator: Operator) -> None:
        self._constants[operator.outputs[0]] = self._constants[operator.inputs[0]]

    def _conv_2d(self, operator: Operator) -> str:
        options = operator.options(tflite.Conv2DOptions)
        return self._convolution(operator, options, (0, 3, 1, 2), 1)

    def _depthwise_conv_2d(self, operator: Operator) -> str:
        options = operator.options(tflite.DepthwiseConv2DOptions)
        return self._convolution(
            operator, options, (3, 0, 1, 2), self._file.shapes[operator.inputs[0]][3]
        )

    def _convolution(self, operator: Operator, options, order: tuple[int, ...], group: int) -> str:
        image, kernel, *bias = operator.inputs
        weights = self._constants[kernel]
        size = list(weights.shape[1:3])
        strides = [options.StrideH(), options.StrideW()]
        steps = [options.DilationHFactor(), options.DilationWFactor()]
        inputs = [self._value(image), self._weight(weights.transpose(order))]
        inputs += [self._weight(self._constants[number]) for number in bias if number >= 0]
        result = self._add(
            'Conv',
            inputs,
            strides=strides,
            dilations=steps,
            group=group,
            kernel_shape=size,
            pads=self._pads(image, options.Padding(), size, strides, steps),
        )
        return self._activated(result, options.FusedActivationFunction())

    def _max_pool_2d(self, operator: Operator) -> str:
        options = operator.options(tflite.Pool2DOptions)
        size = [options.FilterHeight(), options.FilterWidth()]
        strides = [options.StrideH(), options.StrideW()]
        pads = self._pads(operator.inputs[0], options.Padding(), size, strides, [1, 1])
        result = self._add(
            'MaxPool',
            [self._value(operator.inputs[0])],
            kernel_shape=size,
            strides=strides,
            pads=pads,
        )
        return self._activated(result, options.FusedActivationFunction())

    def _fully_connected(self, operator: Operator) -> str:
        options = operator.options(tflite.FullyConnectedOptions)
        image, *weights = operator.inputs
        flat = self._add('Flatten', [self._as_stored(image)])
        terms = [self._weight(self._constants[number]) for number in weights if number >= 0]
        result = self._add('Gemm', [flat, *terms], transB=1)
        return self._activated(result, options.FusedActivationFunction())

    def _sum(self, operator: Operator) -> str:
        options = operator.options(tflite.AddOptions)
        result = self._add('Add', [self._value(number) for number in operator.inputs])
        return self._activated(result, options.FusedActivationFunction())

    def _prelu(self, operator: Operator) -> str:
        image, slope = operator.inputs
        values = self._constants[slope]  # (C,) or (1, 1, C)
        values = values.reshape(-1, 1, 1) if values.ndim == 1 else values.transpose(2, 0, 1)
        return self._add('PRelu', [self._value(image), self._weight(values)])

    def _logistic(self, operator: Operator) -> str:
        return self._add('Sigmoid', [self._value(operator.inputs[0])])

    def _pad(self, operator: Operator) -> str:
        image, pads = operator.inputs
        values = self._constants[pads]  # (axes, 2)
        values = values[TO_NCHW] if len(values) == 4 else values
        return self._add(
            'Pad', [self._value(image), self._weight(values.T.astype(np.int64).ravel())]
        )

    def _resize_bilinear(self, operator: Operator) -> str:
        options = operator.options(tflite.ResizeBilinearOptions)
        image, size = operator.inputs
        mode = 'asymmetric'
        if options.HalfPixelCenters():
            mode = 'half_pixel'
        elif options.AlignCorners():
            mode = 'align_corners'
        scales = self._constants[size] / np.array(self._file.shapes[image][1:3])
        return self._add(
            'Resize',
            [self._value(image), '', self._weight(np.array([1, 1, *scales], np.float32))],
            mode='linear',
            coordinate_transformation_mode=mode,
        )

    def _depth_to_space(self, operator: Operator) -> str:
        options = operator.options(tflite.DepthToSpaceOptions)
        return self._add(
            'DepthToSpace',
            [self._value(operator.inputs[0])],
            blocksize=options.BlockSize(),
            mode='DCR',
        )

    def _mean(self, operator: Operator) -> str:
        image, axes = operator.inputs
        if len(self._file.shapes[image]) != 4 or self._constants[axes].tolist() != [1, 2]:
            raise TfliteError('a mean over other axes than height and width is not supported')
        keep = operator.options(tflite.ReducerOptions).KeepDims()
        return self._add('ReduceMean', [self._value(image)], axes=[2, 3], keepdims=int(keep))

    def _reshape(self, operator: Operator) -> str:
        shape = self._file.shapes[operator.outputs[0]]
        target = self._weight(np.array([-1, *shape[1:]], np.int64))
        result = self._add('Reshape', [self._as_stored(operator.inputs[0]), target])
        return self._add('Transpose', [result], perm=TO_NCHW) if len(shape) == 4 else result

    def _concatenation(self, operator: Operator) -> str:
        rank = len(self._file.shapes[operator.outputs[0]])
        axis = operator.options(tflite.ConcatenationOptions).Axis() % rank
        return self._add(
            'Concat',
            [self._value(number) for number in operator.inputs],
            axis=TO_NCHW.index(axis) if rank == 4 else axis,
        )

    def _strided_slice(self, operator: Operator) -> str:
        options = operator.options(tflite.StridedSliceOptions)
        image, begins, ends, strides = operator.inputs
        shape = self._file.shapes[image]
        rows = []
        for axis in range(1, len(shape)):  # never along the batch
            begin = 0 if options.BeginMask() >> axis & 1 else self._constants[begins][axis]
            end = shape[axis] if options.EndMask() >> axis & 1 else self._constants[ends][axis]
            place = TO_NCHW.index(axis) if len(shape) == 4 else axis
            rows.append((begin, end, place, self._constants[strides][axis]))
        columns = [self._weight(column) for column in np.array(rows, np.int64).T]
        return self._add('Slice', [self._value(image), *columns])


OPERATORS = {
    'ADD': _Conversion._sum,
    'CONCATENATION': _Conversion._concatenation,
    'CONV_2D': _Conversion._conv_2d,
    'DENSIFY': _Conversion._pass_on,  # the file's reader did it already
    'DEPTHWISE_CONV_2D': _Conversion._depthwise_conv_2d,
    'DEPTH_TO_SPACE': _Conversion._depth_to_space,
    'DEQUANTIZE': _Conversion._pass_on,  # the same
    'FULLY_CONNECTED': _Conversion._fully_connected,
    'LOGISTIC': _Conversion._logistic,
    'MAX_POOL_2D': _Conversion._max_pool_2d,
    'MEAN': _Conversion._mean,
    'PAD': _Conversion._pad,
    'PRELU': _Conversion._prelu,
    'RESHAPE': _Conversion._reshape,
    'RESIZE_BILINEAR': _Conversion._resize_bilinear,
    'STRIDED_SLICE': _Conversion._strided_slice,
}
