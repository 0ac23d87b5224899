"""Videos whose frames can be told apart."""

import cv2
import numpy as np

BAR, FPS = 8, 10  # in frame i of a test video the bar number i, of so many pixels, is white


def make_video(path, count=FPS, fps=FPS):
    """Write a second of it, or so many frames."""
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*'mp4v'), fps, (BAR * FPS, 48)
    )
    for i in range(count):
        image = np.zeros((48, BAR * FPS, 3), np.uint8)
        image[:, BAR * i : BAR * (i + 1)] = 255
        writer.write(image)
    writer.release()
    return path


GREY = 8  # frame i of a test video is grey level GREY * i


def make_grey_video(path, frames=20, fps=25.0, size=(64, 48)):
    """Write frames that are all grey, of level GREY * i."""
    codec = 'MJPG' if path.suffix == '.avi' else 'mp4v'
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), GREY * i % 256, np.uint8))
    writer.release()
    return path


def grey_number(frame):
    """Return which frame of a grey video this is."""
    return round(frame.image.mean() / GREY)


def cut(source, path, share):
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
