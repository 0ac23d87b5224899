"""Pixels in every encoding that robots' cameras send."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.sources.encodings import BAYER, ENCODINGS, EncodingError, to_bgr

BLUE, GREEN, RED = 30, 120, 210


def picture(pixels, encoding, padding=0, **changes):
    """Convert an (H, W) or (H, W, C) array, each row followed by so many bytes."""
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    values = {
        'width': pixels.shape[1],
        'height': len(pixels),
        'step': rows.shape[1],
    } | changes
    return to_bgr(rows.tobytes(), encoding, **values)


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize(
    ('encoding', 'pixel'),
    [
        ('bgr8', (BLUE, GREEN, RED)),
        ('8UC3', (BLUE, GREEN, RED)),
        ('rgb8', (RED, GREEN, BLUE)),
        ('bgra8', (BLUE, GREEN, RED, 7)),
        ('8UC4', (BLUE, GREEN, RED, 7)),
        ('rgba8', (RED, GREEN, BLUE, 7)),
    ],
)
def test_a_colour_is_the_same_in_every_order(encoding, pixel, padding):
    image = picture(np.full((4, 6, len(pixel)), pixel, np.uint8), encoding, padding)
    assert image.shape == (4, 6, 3) and image.dtype == np.uint8
    assert (image == (BLUE, GREEN, RED)).all()


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_is_the_same_in_all_channels(encoding):
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert (picture(grey, encoding) == grey[..., None]).all()


@pytest.mark.parametrize('big_endian', [False, True])
@given(values=st.lists(st.integers(0, 65535), min_size=6, max_size=6))
def test_sixteen_bits_are_scaled_and_rounded_as_cv_bridge_does(values, big_endian):
    order = '>u2' if big_endian else '<u2'
    image = picture(np.array([values], order), 'mono16', big_endian=big_endian)
    np.testing.assert_array_equal(image[0, :, 0], np.rint(np.array(values) * (255 / 65535)))
    colour = picture(np.array([values], order).reshape(1, 2, 3), 'rgb16', big_endian=big_endian)
    np.testing.assert_array_equal(colour.reshape(-1, 3)[:, ::-1].ravel(), image[0, :, 0])


@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('uyvy', 'uyvy'), ('yuv422', 'uyvy'), ('yuyv', 'yuyv'), ('yuv422_yuy2', 'yuyv')],
)
def test_two_pixels_share_their_colour(encoding, order):
    # Golden numbers of BT.601, as Y, U, V: (16, 128, 128) is black, (235, 128, 128) white and
    # (81, 90, 240) red.
    values = {'u': (128, 90), 'v': (128, 240), 'y': (16, 235, 81, 81)}
    found = {name: iter(numbers) for name, numbers in values.items()}
    pixels = np.array([[next(found[name]) for name in order * 2]], np.uint8).reshape(1, 4, 2)
    black, white, *red = picture(pixels, encoding)[0]
    assert tuple(black) == (0, 0, 0) and tuple(white) == (255, 255, 255)
    for pixel in red:
        np.testing.assert_allclose(pixel, (0, 0, 255), atol=3)


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', BAYER)
def test_a_mosaic_of_one_colour_is_that_colour(pattern, bits):
    colour = {'b': BLUE, 'g': GREEN, 'r': RED}
    tile = np.array([colour[name] for name in pattern]).reshape(2, 2)
    tile = (tile * (257 if bits == 16 else 1)).astype(f'<u{bits // 8}')
    image = picture(np.tile(tile, (4, 5)), f'bayer_{pattern}{bits}')
    assert image.shape == (8, 10, 3) and (image == (BLUE, GREEN, RED)).all()


@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_a_depth_image_is_told_from_a_picture(encoding):
    with pytest.raises(EncodingError, match='depth image.*colour image') as error:
        to_bgr(b'', encoding, 4, 4, 8)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('encoding', ['', 'nv21', 'jpeg', 'bgr8\n', '\x1b[2J'])
def test_an_encoding_that_is_not_known_is_one_line_that_says_what_is(encoding):
    with pytest.raises(EncodingError, match='not supported.*yuv422') as error:
        to_bgr(b'', encoding, 4, 4, 8)
    assert str(error.value).isprintable()


@given(
    encoding=st.sampled_from(sorted(ENCODINGS)),
    width=st.integers(0, 9),
    height=st.integers(0, 9),
    step=st.integers(0, 80),
    size=st.integers(0, 700),
)
def test_any_size_gives_an_image_of_it_or_one_line(encoding, width, height, step, size):
    try:
        image = to_bgr(bytes(size), encoding, width, height, step)
    except EncodingError as error:
        assert str(error).isprintable()
    else:
        assert image.shape == (height, width, 3) and image.dtype == np.uint8
        assert size == height * step


def test_an_image_needs_no_copy_where_it_is_bgr_already():
    data = bytes(4 * 6 * 3)
    image = to_bgr(data, 'bgr8', 6, 4, 18)
    assert np.shares_memory(image, np.frombuffer(data, np.uint8))
    assert cv2.mean(image)[:3] == (0, 0, 0)
