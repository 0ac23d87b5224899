"""Latency by rate of the source, as a picture."""

from importlib.util import find_spec
from pathlib import Path

from bharnet_ros.system.writing import whole_file

KEPT_UP = 0.95  # share of the rate asked for; below it a rate is not what it says
PICTURES = ('.png', '.svg', '.pdf')
COLOURS = {'keypoints': 'tab:blue', 'scores': 'tab:orange', 'actions': 'tab:green'}


def check_plot(path: Path) -> None:
    """Raise ValueError with one plain line if no such picture can be drawn here."""
    if path.suffix.lower() not in PICTURES:
        raise ValueError(f'--plot: {path} is no picture; its name ends in {", ".join(PICTURES)}')
    if find_spec('matplotlib') is None:
        raise ValueError('--plot needs matplotlib: pip install matplotlib')


def label_of(found: dict) -> str:
    """Return a rate as asked, and as it was if the source did not keep up."""
    really = f'\n(was {found["delivered"]:.0f})' if fell_short(found) else ''
    return f'{found["rate"]:g}{really}'


def fell_short(found: dict) -> bool:
    """Tell whether clearly fewer images came than asked for."""
    return found['delivered'] is not None and found['delivered'] < KEPT_UP * found['rate']


def write_plot(result: dict, path: Path) -> None:
    """Draw ages of all topics, and what became of images, by rate; `result` is that of `bench`.

    The rate 0, as fast as possible, has no ages and is left out. See `check_plot`.
    """
    import matplotlib  # comes with MediaPipe, but the robot does not need it

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    rates = [found for found in result['rates'] if found['rate']]
    figure, (ages, images) = plt.subplots(
        2, 1, figsize=(7, 7), sharex=True, height_ratios=(2, 1), layout='constrained'
    )
    places = range(len(rates))
    for number, (topic, colour) in enumerate(COLOURS.items()):
        shift = 0.12 * (number - 1)
        known = [
            (place + shift, age)
            for place, found in enumerate(rates)
            if (age := found['topics'][topic]['age'])['n']
        ]
        for q, marker in (('p50', 'o'), ('p95', '_'), ('p99', 'x')):
            ages.plot(
                [x for x, _ in known],
                [age[q] for _, age in known],
                marker,
                color=colour,
                label=f'{topic} {q}',
            )
        for x, age in known:
            ages.plot([x, x], [age['p50'], age['p99']], color=colour, linewidth=1)
    ages.set(ylabel='age on arrival in another process, ms', ylim=(0, None))
    ages.legend(ncols=3, fontsize=8)
    ages.set_title(
        f'{result["model"]}, {result["machine"]["cpu"]}, {result["machine"]["cores"]} cores',
        fontsize=9,
    )
    detected, dropped = (
        [found['counters'][name] / max(found['counters']['images_received'], 1) for found in rates]
        for name in ('images_detected', 'frames_dropped')
    )
    images.bar(places, detected, color='tab:blue', label='detected')
    images.bar(places, dropped, bottom=detected, color='lightgrey', label='dropped')
    images.set(xlabel='rate of the source, Hz', ylabel='share of images', ylim=(0, 1.05))
    images.set_xticks(places, [label_of(found) for found in rates])
    images.legend(fontsize=8)
    try:
        with whole_file(path) as partial:
            figure.savefig(partial, dpi=120)
    finally:
        plt.close(figure)
