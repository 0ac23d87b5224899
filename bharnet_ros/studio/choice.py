"""Which models can be chosen on the page, and which one is at work."""

from collections.abc import Callable

from bharnet_ros.config import RuntimeConfig
from bharnet_ros.inference.loading import BESIDE, load_model
from bharnet_ros.inference.model import MODEL_SUFFIX
from bharnet_ros.inference.taught import taught_names
from bharnet_ros.studio.watch import Watch
from bharnet_ros.system.resources import share_dir


class Choice:
    """Models by their names, for all viewers alike."""

    def __init__(
        self,
        present: str,
        runtime: RuntimeConfig,
        watch: Watch,
        on_model: Callable[[str], None] = lambda name: None,
    ):
        """Begin.

        Args:
            present: the name of the model at work.
            runtime: where others run.
            watch: what they are put to work in.
            on_model: called with the name of another before it is put to work; may refuse it.

        """
        self._on_model = on_model
        self._first = self._named = present
        self._model, self._runtime, self._watch = watch.model, runtime, watch

    @property
    def present(self) -> str:
        """The name of the model at work."""
        model = self._watch.model
        return self._named if model is self._model else model.contract.name

    def names(self) -> list[str]:
        """Return all names that can be chosen, the present one among them."""
        shipped = sorted(file.stem for file in (share_dir() / 'models').glob('*' + MODEL_SUFFIX))
        taught = taught_names()
        first = self._first.rpartition(BESIDE)[0] or self._first
        beside = [f'{first}{BESIDE}{name}' for name in taught if first not in taught]
        return list(dict.fromkeys([self._first, *shipped, *taught, *beside, self.present]))

    def take(self, name: str) -> str:
        """Put a model to work; return the name of the one before.

        ModelError or ValueError, with the one before at work, if it cannot be.
        """
        model, before = load_model(name, self._runtime), self.present
        self._on_model(name)  # first, as others may refuse
        self._watch.switch(model)
        self._model, self._named = model, name
        return before
