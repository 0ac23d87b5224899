"""How often to decide: as wanted, or as seldom as keeps inference from eating the machine."""

SMOOTHING = 0.2  # weight of the newest measurement
SLOWED = 0.9  # of the wanted rate; below it decisions count as slowed


class RateLimit:
    """The time between two decisions of one person.

    At the wanted rate while that takes no more than `max_load` of the time of one core; else as
    slow as that share asks for, by the measured cost of a decision. Skipping alone would keep a
    core busy that the detector needs.
    """

    def __init__(self, rate: float, max_load: float):
        """Args: wanted decisions a second and person; share of the time, above 0."""
        if not (rate > 0 and max_load > 0):
            raise ValueError(f'rate and max_load are above 0, not {rate} and {max_load}')
        self.wanted, self.max_load = rate, max_load
        self._cost: float | None = None  # seconds

    def took(self, seconds: float) -> None:
        """Tell what a decision cost."""
        self._cost = (
            seconds if self._cost is None else self._cost + SMOOTHING * (seconds - self._cost)
        )

    def rate(self, persons: int) -> float:
        """Return the decisions a second for each of so many persons."""
        if not self._cost:
            return self.wanted
        return min(self.wanted, self.max_load / (self._cost * max(persons, 1)))

    def is_slowed(self, persons: int) -> bool:
        """Tell whether decisions come clearly less often than wanted."""
        return self.rate(persons) < SLOWED * self.wanted
