"""What recognition_node says of itself in the diagnostics, in words."""

from collections.abc import Mapping

from bharnet_ros.config import PipelineConfig
from bharnet_ros.inference.contract import Contract
from bharnet_ros.nodes.diagnostics import Rate
from bharnet_ros.recognition.complaints import ENOUGH, sparse
from bharnet_ros.recognition.pipeline import FASTEST, ActionPipeline


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


class InputRate:
    """Whether keypoints of people come often enough for the model."""

    SECONDS = 5.0  # over which to look

    def __init__(self, contract: Contract):
        self._expected = contract.window_steps / contract.window_seconds
        self._bodies, self._windows, self._arrivals = (Rate(self.SECONDS) for _ in range(3))
        self._arrived: int | None = None  # before the first look

    def __call__(self, pipeline: ActionPipeline, bodies: int, windows: int) -> str:
        """Return in one line what is wrong, '' if nothing is.

        `bodies` and `windows`: how many people's keypoints came, and wanted a decision, in all.
        """
        rates = [pipeline.slowest_rate]
        bodies_rate, windows_rate = self._bodies(bodies), self._windows(windows)
        if self._arrived is None:
            self._arrived = pipeline.arrivals
        arrivals = self._arrivals(pipeline.arrivals - self._arrived)
        if arrivals * self.SECONDS >= 3 and windows_rate == 0:
            rates.append(bodies_rate)  # so far apart that each begins a window of its own
        slowest = min((rate for rate in rates if rate is not None), default=self._expected)
        return '' if slowest >= ENOUGH * self._expected else self._told(slowest)

    def _told(self, rate: float) -> str:
        return sparse(rate, self._expected) + '; see the rates of camera_node'


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
