"""Kinect skeletons as their data sets publish them."""

import numpy as np


def failures(path):
    file = path.with_name(path.name + '.failures.csv')
    return file.read_text() if file.exists() else ''


def standing(seed, frames, depth=2.0):
    """A body of human height that moves an arm."""
    rng = np.random.default_rng(seed)
    body = rng.uniform([-0.2, -0.9, depth], [0.2, 0.8, depth + 0.2], (25, 3))
    track = np.repeat(body[None], frames, 0)
    track[:, 8:12, 0] += np.linspace(0, 1, frames)[:, None]
    return track


def skeleton_text(bodies, frames):
    """The published format: bodies is {id: (first frame, (F, 25, 3))}."""
    lines = [str(frames)]
    for t in range(frames):
        here = {
            k: track[t - first]
            for k, (first, track) in bodies.items()
            if first <= t < first + len(track)
        }
        lines.append(str(len(here)))
        for body_id, joints in here.items():
            lines += [f'{body_id} 0 1 1 1 1 0 0.07 -0.3 2', '25']
            lines += [
                f'{x:.6f} {y:.6f} {z:.6f} 250.1 160.2 1000.1 430.5 0.1 0.2 0.9 0.1 2'
                for x, y, z in joints
            ]
    return '\n'.join(lines) + '\n'


PERSON = standing(0, 40)


def write_ntu(folder, name, bodies, frames=40):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.skeleton').write_text(skeleton_text(bodies, frames))
