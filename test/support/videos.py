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
