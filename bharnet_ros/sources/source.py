"""What all readers of sources share."""

from bharnet_ros.errors import BharnetError

STREAM_TIMEOUT = 5.0  # seconds; a network stream that is silent for so long is lost


class SourceError(BharnetError):
    """A source that cannot be opened or broke off; the text says which and what to do."""
