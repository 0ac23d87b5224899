"""Words that a model was never trained on: taught by a few people, tried on others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bharnet_ros.inference.model import Model
from bharnet_ros.inference.taught import require_bank
from bharnet_ros.teaching.learning import Shown, learn, look_at
from bharnet_ros.teaching.takes import Take

from ..datasets.labels import alias_of
from ..errors import DataError
from ..windows.clips import Clips
from .strangers import frames_of, words_by_label

EACH = 8  # people on whom a word is tried in one draw


@dataclass(frozen=True)
class Plan:
    """Who teaches and who is tried."""

    people: int  # that teach a word
    takes: int  # of each of them
    same: bool = False  # tried on other takes of those people, not on others


@dataclass(frozen=True)
class FewShot:
    """What came of a plan, over all draws."""

    plan: Plan
    draws: int
    accuracy: float  # of taught words: the nearest one is right
    auroc: float  # taught words against one that is not, by nearness
    right: float  # share of taught words that are recognised
    wrong: float  # share of them that are taken for another
    false: float  # share of the word that is not taught, taken for any


PLANS = (
    Plan(1, 1, same=True),
    Plan(1, 3, same=True),
    Plan(1, 1),
    Plan(1, 3),
    Plan(1, 5),
    Plan(2, 1),
    Plan(2, 3),
    Plan(3, 1),
    Plan(3, 3),
    Plan(5, 1),
    Plan(5, 3),
)


def auroc(known: Sequence[float], unknown: Sequence[float]) -> float:
    """Return how often a known score is above an unknown one; NaN without both."""
    if not known or not unknown:
        return float('nan')
    above = np.sort(np.array(unknown))
    known_scores = np.array(known)
    below = np.searchsorted(above, known_scores, 'left')
    ties = np.searchsorted(above, known_scores, 'right') - below
    return float((below + ties / 2).mean() / len(above))


def choose(clips: Clips, words: Sequence[str], model: Model) -> Clips:
    """Return the clips of `words`; DataError if the model learned one, or nobody shows one."""
    contract = model.contract
    learned = set(contract.training.get('made_of') or contract.actions) | set(
        words_by_label(contract)
    )
    known = {alias_of(label) for label in learned}
    if taught := [word for word in words if alias_of(word) in known]:
        raise DataError(f'{contract.name} was trained on {", ".join(taught)}: that is no test')
    if missing := set(words) - set(clips.class_names):
        raise DataError(f'nobody shows {", ".join(sorted(missing))}')
    return clips.select(np.isin(np.array(clips.class_names)[clips.label], list(words)))


def look(model: Model, clips: Clips, rate: float | None, aspect: float | None) -> list[Shown]:
    """Return the windows of every clip, as teaching sees them."""
    bank = require_bank(model)
    return [
        look_at(Take.of(frames_of(clips, i, rate, aspect)), model, bank) for i in range(len(clips))
    ]


def measure_few_shot(
    model: Model, clips: Clips, shown: Sequence[Shown], plan: Plan, draws: int = 200, seed: int = 0
) -> FewShot:
    """Draw words and people again and again: all words but one are taught, that one is unknown.

    A clip is tried as one window. DataError if no word has people enough.
    """
    rng, bank = np.random.default_rng(seed), require_bank(model)
    names = np.array(clips.class_names)[clips.label]
    at: dict[str, dict[str, list[int]]] = {}
    for i, (word, person) in enumerate(zip(names, clips.group, strict=True)):
        at.setdefault(str(word), {}).setdefault(str(person), []).append(i)
    needed = plan.takes + plan.same
    teachers = {
        word: [person for person, mine in by.items() if len(mine) >= needed]
        for word, by in at.items()
    }
    words = [word for word, able in teachers.items() if len(able) >= plan.people]
    if len(words) < 3:
        raise DataError(f'less than three words have {plan.people} people of {needed} clips')
    near, far, hits = [], [], np.zeros(4)
    tried = untaught = 0
    for _ in range(draws):
        unknown, *taught = rng.permutation(words)
        takes, tests = {}, []
        for word in taught:
            people = list(rng.permutation(teachers[word])[: plan.people])
            used = [
                i for person in people for i in rng.permutation(at[word][person])[: plan.takes]
            ]
            takes[word] = [shown[i] for i in used]
            others = people if plan.same else [p for p in at[word] if p not in people]
            for person in rng.permutation(others)[:EACH]:
                left = [i for i in at[word][person] if i not in used]
                tests.append((word, int(rng.choice(left))))
        for person in rng.permutation(list(at[unknown]))[:EACH]:
            tests.append((unknown, int(rng.choice(at[unknown][person]))))
        regions = learn(takes, bank)
        for word, i in tests:
            inside = {
                name: float(r.nearness(shown[i].windows[:1])[0]) for name, r in regions.items()
            }
            best = max(inside, key=lambda name: inside[name])
            told = inside[best] > 0
            if word == unknown:
                far.append(inside[best])
                untaught += 1
                hits[3] += told
            else:
                near.append(inside[best])
                tried += 1
                hits += (best == word, told and best == word, told and best != word, 0)
    accuracy, right, wrong = hits[:3] / max(tried, 1)
    return FewShot(
        plan, draws, accuracy, auroc(near, far), right, wrong, hits[3] / max(untaught, 1)
    )


def describe_plan(plan: Plan) -> str:
    """Return who teaches and who is tried, in words."""
    who = 'one person' if plan.people == 1 else f'{plan.people} people'
    takes = '1 take' if plan.takes == 1 else f'{plan.takes} takes'
    return f'{who}, {takes} each, tried on {"the same" if plan.same else "others"}'
