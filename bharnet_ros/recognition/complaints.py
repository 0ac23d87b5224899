"""What is wrong with what comes in, in words, for diagnostics and for the page."""

ENOUGH = 0.5  # share of the rate that a model was made for
NO_HANDS = 30.0  # seconds after which somebody without hands in view is told of


def slow(seconds: float, expected: float) -> str:
    """Say that one image takes too long; `expected` is the rate of the model, Hz."""
    return (
        f'one image takes {seconds * 1e3:.0f} ms, and the model was made for {expected:.0f} a '
        'second; actions will be missed: free the machine, or take a faster one'
    )


def sparse(rate: float, expected: float) -> str:
    """Say that too few keypoints come for the model; rates in Hz."""
    return (
        f'keypoints are too sparse: {rate:.1f} a second and person, the model was made for '
        f'{expected:.0f}; actions will be missed: a slow camera, a busy machine or lost messages'
    )


def without_hands(seconds: float) -> str:
    """Say that the model waits for hands in vain."""
    return (
        f'no hand seen for {seconds:.0f} s, and this model tells actions by the hands too: are '
        'they in the picture, large enough and not in the dark?'
    )
