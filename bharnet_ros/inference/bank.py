"""What other people do: embeddings of training clips that travel with a model.

An action that somebody teaches is told from them, so that what nobody taught stays unknown.
"""

import base64
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bharnet_ros.inference.contract import ContractError

BANK_KEY = 'bharnet_bank'  # in the metadata of the ONNX file, beside the contract
MAX_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Bank:
    """R windows of licensed training clips: all classes and people alike, and rest."""

    rows: np.ndarray  # (R, E) float32

    @cached_property
    def directions(self) -> np.ndarray:
        """(R, E) float32: see `direction` of the rows."""
        return self.direction(self.rows)

    def direction(self, embedding: np.ndarray) -> np.ndarray:
        """Return in which direction embeddings (N, E) lie from the mean of the bank, unit length.

        What all windows have in common says nothing; without it cosines tell more.
        """
        off = np.asarray(embedding, np.float32) - self._mean
        return off / np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-6)

    @cached_property
    def _mean(self) -> np.ndarray:
        return self.rows.mean(0)

    def to_text(self) -> str:
        """Return what goes into the metadata: JSON, the numbers as base64 of float16."""
        data = base64.b64encode(np.asarray(self.rows, '<f2').tobytes()).decode()
        return json.dumps({'rows': len(self.rows), 'data': data})

    @classmethod
    def from_text(cls, text: str, size: int) -> 'Bank':
        """Read the metadata of a model whose embedding has `size` numbers; ContractError."""
        try:
            data = json.loads(text)
            count = int(data['rows'])
            if not 1 <= count <= MAX_ROWS:
                raise ValueError(f'{count} rows')
            flat = np.frombuffer(base64.b64decode(data['data'], validate=True), '<f2')
            rows = flat.astype(np.float32).reshape(count, size)
            if not np.isfinite(rows).all():
                raise ValueError('NaN or infinite numbers')
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            raise ContractError(
                f'its bank of other actions is damaged ({error}); export it again'
            ) from error
        return cls(rows)
