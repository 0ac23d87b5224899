"""Named subsets of NTU RGB+D 120 in which the hands tell most, by action number."""

from ..windows.clips import Clips
from .metrics import subset_accuracy
from .predictions import Predictions

# The second BHaRNet paper names a benchmark NTU-Hand 11/27 whose class lists are not public.
# These two are our own proposal of such lists, not the paper's.
HAND_11 = (10, 11, 12, 13, 28, 29, 30, 31, 33, 34, 39)
HAND_27 = (*HAND_11, 67, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 81, 82, 83, 84, 120)

# Hand classes of KathPra/LSHR_LSHT (GCPR 2023).
LSHR_48 = (
    1,
    2,
    3,
    4,
    10,
    11,
    12,
    13,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    37,
    39,
    49,
    54,
    58,
    *range(67, 79),
    *range(81, 87),
    89,
    90,
    91,
    93,
    105,
    110,
    112,
    113,
    115,
    120,
)

SUBSETS = {'proposed_hand_11': HAND_11, 'proposed_hand_27': HAND_27, 'lshr_48': LSHR_48}


def subset_scores(clips: Clips, predictions: Predictions) -> dict[str, float]:
    """Return top-1 on hand-intensive subsets, for data sets that number NTU's actions."""
    if 'action' not in clips.stores[0].table:
        return {}
    number = dict(
        zip(clips.column('label').tolist(), clips.column('action').tolist(), strict=True)
    )
    scores = {}
    for name, actions in SUBSETS.items():
        classes = {label for label, action in number.items() if int(action) in actions}
        if (value := subset_accuracy(predictions, classes)) is not None:
            scores[name] = value
    return scores
