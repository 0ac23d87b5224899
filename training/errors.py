"""What can go wrong in training; each text says what to do."""

from bharnet_ros.errors import BharnetError


class DataError(BharnetError):
    """Data that is missing, not ours to read, or inconsistent."""


class TrainingError(BharnetError):
    """A run that cannot start or go on."""


class ExportError(BharnetError):
    """A model that must not be written: it does not give what the trained one gives."""
