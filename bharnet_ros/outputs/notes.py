"""What is known of the people in a picture, in a form that can be written beside them."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bharnet_ros.types import SECOND, Action, Phase, State

STALE = 3 * SECOND  # after the last word of an action that never ended: its publisher is gone
UNKNOWN = '?'  # for somebody who does something that is no action of the model


@dataclass(frozen=True)
class Note:
    """What is written into a picture about one person."""

    label: str = ''  # of the action that goes on
    confidence: float | None = None  # of that action, 0 to 1
    fill: float | None = None  # how full the window is, 0 to 1


class Doing:
    """Who does what, of the events of a run or a topic. Memory is bounded."""

    def __init__(self, limit: int = 100):
        """`limit`: how many people are kept; ids may come from anywhere."""
        self._limit = limit
        self._actions: OrderedDict[str, Action] = OrderedDict()

    def take(self, action: Action) -> None:
        """Take one step in the life of an action."""
        self._actions.pop(action.person_id, None)
        if action.phase is not Phase.ENDED:
            self._actions[action.person_id] = action
            if len(self._actions) > self._limit:
                self._actions.popitem(last=False)

    def at(self, stamp: int, people: Iterable[str]) -> dict[str, Note]:
        """Return by person id what is known of people at the time of an image, nanoseconds."""
        return {
            name: Note(action.label, action.confidence)
            for name in people
            if (action := self._actions.get(name)) and stamp - action.stamp < STALE
        }

    def notes(self, states: Mapping[str, State], fills: Mapping[str, float]) -> dict[str, Note]:
        """Return notes of everybody who is followed, by person id."""
        return {name: self._note(name, state, fills.get(name)) for name, state in states.items()}

    def _note(self, person_id: str, state: State, fill: float | None) -> Note:
        action = self._actions.get(person_id)
        if action is not None:
            return Note(action.label, action.confidence, fill)
        return Note(UNKNOWN if state is State.UNKNOWN else '', None, fill)
