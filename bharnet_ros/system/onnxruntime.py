"""ONNX Runtime, told to keep to itself, which it can only be told before it is imported.

All our modules take it from here, also those of training. Not in the package's `__init__`,
because that is also imported by nodes of other people that only want our messages.
"""

import os

# From 1.2x on its wheels collect usage events by default: they write a device id below the home
# directory and look up their maker's host. Its API call comes too late, after the first event.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')

import onnxruntime as ort

__all__ = ['ort']
