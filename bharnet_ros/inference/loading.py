"""From the name of a model to a model: a file, a shipped one, taught actions, or two together."""

from collections.abc import Callable

from bharnet_ros.config import RuntimeConfig
from bharnet_ros.inference.model import Model, ModelError, find_model
from bharnet_ros.inference.taught import TaughtModel, find_taught, taught_names

BESIDE = '+'


def load_model(
    model_name: str, runtime: RuntimeConfig, note: Callable[[str], None] = lambda text: None
) -> Model:
    """Load a model as settings say; ModelError, in one plain line, if there is none such.

    `model_name` is a path, the name of a model that came with the package, the name of actions
    that this user taught, or both as in `asl_words+my_actions`: the words and what was taught.
    """
    if (taught := find_taught(model_name)) is not None:
        return TaughtModel(taught, runtime=runtime, note=note)
    base, beside, own = model_name.rpartition(BESIDE)
    if beside and (taught := find_taught(own)) is not None:
        model = TaughtModel(taught, words=True, runtime=runtime, note=note)
        encoder = model.taught.about.encoder
        if not find_model(base).samefile(find_model(encoder)):
            raise ModelError(f'{own} was taught with {encoder} and cannot stand beside {base}')
        return model
    try:
        find_model(model_name)
    except ModelError as error:
        taught_here = ', '.join(taught_names())
        also = f'; you taught {taught_here}' if taught_here else ''
        raise ModelError(f'{error}{also}') from None
    return Model(
        model_name,
        runtime.provider,
        runtime.threads,
        runtime.precision,
        runtime.require_provider,
        note,
    )
