"""Pixels as ROS cameras send them, by the names of sensor_msgs/image_encodings.hpp, to BGR.

Colours come out as cv_bridge gives them for bgr8: the same OpenCV conversions in the same order,
and 16 bits are scaled by 255 / 65535.
"""

from dataclasses import dataclass

import numpy as np

from bharnet_ros.errors import BharnetError
from bharnet_ros.system.opencv import cv2


class EncodingError(BharnetError):
    """Pixels that cannot be turned into a colour image; the text says why and what to do."""


@dataclass(frozen=True)
class Encoding:
    """How pixels lie in memory, and OpenCV's code that makes BGR of them (None: they are)."""

    channels: int
    code: int | None = None
    bits: int = 8


# OpenCV names a Bayer pattern by its second row's second and third pixel, ROS by the first two.
BAYER = {
    'rggb': cv2.COLOR_BayerBG2BGR,
    'bggr': cv2.COLOR_BayerRG2BGR,
    'gbrg': cv2.COLOR_BayerGR2BGR,
    'grbg': cv2.COLOR_BayerGB2BGR,
}
COLOURS = {
    'mono': (1, cv2.COLOR_GRAY2BGR),
    'bgr': (3, None),
    'rgb': (3, cv2.COLOR_RGB2BGR),
    'bgra': (4, cv2.COLOR_BGRA2BGR),
    'rgba': (4, cv2.COLOR_RGBA2BGR),
} | {f'bayer_{pattern}': (1, code) for pattern, code in BAYER.items()}
ENCODINGS = {
    f'{name}{bits}': Encoding(channels, code, bits)
    for name, (channels, code) in COLOURS.items()
    for bits in (8, 16)
} | {
    # Without a meaning of their own: what cv_bridge shows them as.
    '8UC1': Encoding(1, cv2.COLOR_GRAY2BGR),
    '8UC3': Encoding(3),
    '8UC4': Encoding(4, cv2.COLOR_BGRA2BGR),
    # Two pixels share their colour. yuv422 and yuv422_yuy2 are the older names.
    'uyvy': Encoding(2, cv2.COLOR_YUV2BGR_UYVY),
    'yuv422': Encoding(2, cv2.COLOR_YUV2BGR_UYVY),
    'yuyv': Encoding(2, cv2.COLOR_YUV2BGR_YUY2),
    'yuv422_yuy2': Encoding(2, cv2.COLOR_YUV2BGR_YUY2),
}
DEPTH = ('16UC1', '16SC1', '32FC1', '64FC1')


def to_bgr(
    data: bytes | memoryview,
    encoding: str,
    width: int,
    height: int,
    step: int,
    big_endian: bool = False,
) -> np.ndarray:
    """Return the (height, width, 3) uint8 BGR image; may share memory with `data`.

    Args:
        data: rows of `step` bytes, which may be longer than their pixels.
        encoding: a name of ENCODINGS.
        width: in pixels.
        height: in pixels.
        step: bytes from one row to the next.
        big_endian: of encodings with 16 bits.

    Raises EncodingError.

    """
    if encoding in DEPTH:
        raise EncodingError(
            f"encoding '{encoding}' is a depth image, in which nobody can be seen: subscribe to "
            'the colour image of the same camera'
        )
    found = ENCODINGS.get(encoding)
    if found is None:
        raise EncodingError(
            f"image encoding '{encoding}' is not supported ({', '.join(ENCODINGS)} are); set the "
            'camera driver to one of these, or image_transport to compressed'
        )
    row = width * found.channels * found.bits // 8
    if not width or not height or step < row or len(data) != height * step:
        raise EncodingError(
            f'image of {width} x {height} {encoding} with step {step} and {len(data)} bytes does '
            'not fit together: mend its publisher'
        )
    pixels = np.frombuffer(data, np.uint8).reshape(height, step)[:, :row]
    if found.bits == 16:
        pixels = np.ascontiguousarray(pixels).view('>u2' if big_endian else '<u2')
        pixels = pixels.astype(np.uint16, copy=False)  # in the machine's own order
    image: np.ndarray = pixels.reshape(height, width, found.channels)
    try:
        if found.code is not None:
            image = cv2.cvtColor(image, found.code)
    except cv2.error as error:  # an odd width of shared colours, a mosaic of one row
        raise EncodingError(
            f'image of {width} x {height} {encoding} cannot be: mend its publisher'
        ) from error
    return image if found.bits == 8 else cv2.convertScaleAbs(image, alpha=255 / 65535)
