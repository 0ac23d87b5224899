"""One-Euro filters: still when things are still, quick when they move.

After Casiez, Roussel and Vogel, "1 euro filter", CHI 2012; with MediaPipe's numbers.
"""

import math

import numpy as np

NOMINAL = 30.0  # samples a second, until two times are known


class LowPass:
    """Exponential smoothing of an array; `raw` is the last sample."""

    def __init__(self):
        self.raw: np.ndarray | None = None
        self._smooth: np.ndarray | None = None

    def __call__(self, values: np.ndarray, alpha: float | np.ndarray) -> np.ndarray:
        """Take a sample; return alpha of it and the rest of what was."""
        old = self._smooth
        self._smooth = values if old is None else alpha * values + (1 - alpha) * old
        self.raw = values
        return self._smooth


class OneEuro:
    """Smooths the numbers of an array, each for itself. Its rate is what samples are scaled to."""

    def __init__(self, min_cutoff: float, beta: float, derivative_cutoff: float = 1.0):
        self._min_cutoff, self._beta = min_cutoff, beta
        self._derivative_cutoff = derivative_cutoff
        self._values, self._changes = LowPass(), LowPass()
        self._time: int | None = None
        self._rate = NOMINAL

    def __call__(self, values: np.ndarray, time: int, size: float = 1.0) -> np.ndarray:
        """Take a sample at a time (microseconds, which must increase).

        `size` is that of the thing itself in units of the values: small things move by little.
        """
        if self._time is not None:
            self._rate = 1e6 / (time - self._time)
        self._time = time
        last = self._values.raw
        change = np.zeros_like(values) if last is None else (values - last) * self._rate / size
        speed = self._changes(change, self._alpha(self._derivative_cutoff))
        return self._values(values, self._alpha(self._min_cutoff + self._beta * np.abs(speed)))

    def _alpha(self, cutoff):
        return 1 / (1 + self._rate / (2 * math.pi * cutoff))
