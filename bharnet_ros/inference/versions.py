"""Which ONNX Runtime reads which model files."""

import re

# Version, and the newest IR version and opset that it reads: what its wheels said of themselves.
# A version between two of them reads what the older one does.
READS = (
    ('1.15', 9, 19),
    ('1.17', 9, 20),
    ('1.18', 10, 21),
    ('1.21', 10, 22),
    ('1.23', 11, 23),
    ('1.24', 13, 25),
    ('1.31', 13, 26),
)
# Its words for a file that is newer than it knows.
NEWER_IR = re.compile(r'Unsupported model IR version: (\d+)')
NEWER_OPSET = re.compile(r'Opset (\d+) is under development.*domain ai\.onnx\b', re.S)


def too_old(refusal: str, installed: str) -> str:
    """Return, in one line, what to install where ONNX Runtime refused a model as too new, else ''.

    Args:
        refusal: the text of its exception.
        installed: its version.

    """
    newer_ir, newer_opset = NEWER_IR.search(refusal), NEWER_OPSET.search(refusal)
    if not (newer_ir or newer_opset):
        return ''
    ir = int(newer_ir[1]) if newer_ir else 0
    opset = int(newer_opset[1]) if newer_opset else 0
    told = f'IR version {ir}' if ir else f'opset {opset}'
    for version, newest_ir, newest_opset in READS:
        if ir <= newest_ir and opset <= newest_opset:
            return (
                f'needs onnxruntime {version} or newer, here is {installed} (ONNX {told}): '
                'upgrade the one that you have, onnxruntime or onnxruntime-gpu, not both'
            )
    return (
        f'needs an onnxruntime newer than {READS[-1][0]}, here is {installed} (ONNX {told}): '
        'install a newer one, or export the model with older versions'
    )
