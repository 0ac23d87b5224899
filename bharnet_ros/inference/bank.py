"""What other people do: embeddings of training clips that travel with a model.

An action that somebody teaches is told from them, so that what nobody taught stays unknown.
"""

import base64
import json
from dataclasses import dataclass

import numpy as np

from bharnet_ros.inference.contract import ContractError

BANK_KEY = 'bharnet_bank'  # in the metadata of the ONNX file, beside the contract
MAX_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Bank:
    """R windows of licensed training clips, of all classes and people alike, and of rest."""

    rows: np.ndarray  # (R, E) float32
    axes: np.ndarray  # (E, D) float32: an embedding times it tells actions apart, not people

    def to_text(self) -> str:
        """Return what goes into the metadata: JSON, the numbers as base64 of float16."""

        def packed(values: np.ndarray) -> str:
            return base64.b64encode(np.asarray(values, '<f2').tobytes()).decode()

        return json.dumps(
            {
                'rows': self.rows.shape[0],
                'axes': self.axes.shape[1],
                'data': [packed(self.rows), packed(self.axes)],
            }
        )

    @classmethod
    def from_text(cls, text: str, size: int) -> 'Bank':
        """Read the metadata of a model whose embedding has `size` numbers; ContractError."""
        try:
            data = json.loads(text)
            count, axes = int(data['rows']), int(data['axes'])
            if not (1 <= count <= MAX_ROWS and 1 <= axes <= size):
                raise ValueError('impossible counts')
            rows, matrix = (
                np.frombuffer(base64.b64decode(part, validate=True), '<f2').astype(np.float32)
                for part in data['data']
            )
            bank = cls(rows.reshape(count, size), matrix.reshape(size, axes))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ContractError(
                f'its bank of other actions is damaged ({error}); export it again'
            ) from error
        if not (np.isfinite(bank.rows).all() and np.isfinite(bank.axes).all()):
            raise ContractError('its bank of other actions holds no numbers; export it again')
        return bank
