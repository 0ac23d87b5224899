"""What happens beside the training loop, as Lightning's callbacks."""

from collections.abc import Callable, Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar
from torch import Tensor

from .errors import TrainingError

ADVICE = 'take a smaller optim.rate, or trainer.precision 32-true; no weights were written'


class SeedEachStep(Callback):
    """Seed dropout by seed and step, so that a resumed run goes on as if never interrupted.

    Each step, not each epoch: loaders draw from the same generator, at other times on a resume.
    """

    def on_train_batch_start(self, trainer: lightning.Trainer, task: Any, *_: object) -> None:
        """Lightning's hook."""
        torch.manual_seed(hash((task.config.seed, trainer.global_step, trainer.global_rank)))


class StopWhenNotFinite(Callback):
    """End a training that cannot recover: TrainingError if a loss or a weight is no number.

    No checkpoint is written of it: Lightning calls those that write them last.
    """

    def __init__(self, monitor: str):
        self.monitor = monitor  # the validation loss

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        task: lightning.LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        *_: object,
    ) -> None:
        """Lightning's hook."""
        loss = outputs['loss'] if isinstance(outputs, Mapping) else outputs
        if loss is not None and not torch.isfinite(loss):
            self._stop(trainer, f'the loss is {float(loss)}')

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, task: lightning.LightningModule
    ) -> None:
        """Lightning's hook."""
        for name, value in task.state_dict().items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                self._stop(trainer, f'the weights {name} are no numbers any more')

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, task: lightning.LightningModule
    ) -> None:
        """Lightning's hook."""
        loss = trainer.callback_metrics.get(self.monitor)
        if loss is not None and not torch.isfinite(loss):
            self._stop(trainer, f'the validation loss is {float(loss)}')

    def _stop(self, trainer: lightning.Trainer, what: str) -> None:
        raise TrainingError(
            f'training went wrong in epoch {trainer.current_epoch + 1}, step '
            f'{trainer.global_step}: {what}; {ADVICE}'
        )


class AfterEachEpoch(Callback):
    """Call somebody who counts."""

    def __init__(self, call: Callable[[], object]):
        self.call = call

    def on_train_epoch_end(self, *_: object) -> None:
        """Lightning's hook."""
        self.call()


class EpochBar(RichProgressBar):
    """Lightning's bar, with epochs counted from one."""

    def _get_train_description(self, current_epoch: int) -> str:
        text = f'Epoch {current_epoch + 1}'
        if self.trainer.max_epochs is not None:
            text += f'/{self.trainer.max_epochs}'
        return f'{text:{len(self.validation_description)}}'
