"""What recognition_node says of itself in the diagnostics, in words."""

from collections.abc import Mapping

from bharnet_ros.config import PipelineConfig
from bharnet_ros.recognition.pipeline import FASTEST


def whose(topic: str) -> str:
    """Return how to find out who publishes what was refused, to be put behind the reason."""
    return f'; whose they are shows "ros2 topic info -v {topic}"'


def nothing_yet(topic: str, published: bool) -> str:
    """Say that no keypoints have come, and why."""
    return f'no keypoints yet: {_why_silent(topic, published)}'


def silent(seconds: float, topic: str, published: bool) -> str:
    """Say that no keypoints come any more, and why."""
    return f'no keypoints for {seconds:.0f} s: {_why_silent(topic, published)}'


def _why_silent(topic: str, published: bool) -> str:
    if published:
        return f'{topic} has a publisher that is silent, see the diagnostics of camera_node'
    return f'nobody publishes {topic}; start camera_node, or see why it ended'


def slowed(rate: float, infer_seconds: float, max_load: float) -> str:
    """Say that decisions come less often than wanted; `rate` in Hz."""
    return (
        f'decisions slowed to {rate:.1f} a second and person: one takes '
        f'{infer_seconds * 1e3:.0f} ms, and inference may take {max_load:.0%} of the time '
        '(max_load); a faster provider or fewer persons would help'
    )


class InputFaults:
    """What was wrong with the keypoints between two looks at the totals of what was refused.

    Totals are those of `recognition.pipeline.Counters`, and `refused`, the messages refused.
    """

    def __init__(self, config: PipelineConfig, whose: str, totals: Mapping[str, int]):
        self._config, self._whose, self._totals = config, whose, totals
        self._clock_steps = 0  # between the last two looks

    def __call__(self, totals: Mapping[str, int], refusal: str) -> str:
        """Return what is new in one line, '' if nothing is.

        `refusal` is why the last message was refused.
        """
        new = {name: total - self._totals[name] for name, total in totals.items()}
        self._totals = totals
        steps_before, self._clock_steps = self._clock_steps, new['clock_steps']
        if steps_before + self._clock_steps < 2:
            new['clock_steps'] = 0  # one alone is a bag in a loop
        return '; '.join(text for name, text in self._texts(new, refusal).items() if new[name])

    def _texts(self, new: Mapping[str, int], refusal: str) -> dict[str, str]:
        return {
            'refused': f'{new["refused"]} keypoints refused, the last: {refusal}{self._whose}',
            'forgotten': (
                f'{new["forgotten"]} persons given up: more than {self._config.max_persons} at a '
                'time, or ids that keep changing; raise max_persons, or look at the detector'
            ),
            'stale': (
                f'{new["stale"]} keypoints refused: their stamps repeat or go back; does the '
                'camera freeze, or do two nodes publish the same person?'
            ),
            'clock_steps': (
                f'stamps go back by more than {self._config.max_gap:g} s again and again '
                f'({self._totals["clock_steps"]} times so far): all begins anew each time. '
                'Cameras whose clocks differ need a recognition_node each'
            ),
            'surplus': (
                f'{new["surplus"]} keypoints left out: more than {FASTEST} a second of one '
                'person; do two nodes publish them, or is a clock too fast?'
            ),
        }
