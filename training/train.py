"""The training loop, by Lightning."""

import lightning
import numpy as np
import torch
from bharnet_ros.training.config import RunConfig
from bharnet_ros.training.data import Clips
from bharnet_ros.training.dataset import ClipDataset
from bharnet_ros.training.model import BHaRNet, Logits
from torch import Tensor, nn
from torch.utils.data import DataLoader, WeightedRandomSampler
from torchmetrics.classification import MulticlassAccuracy


class Task(lightning.LightningModule):
    """BHaRNet with its losses: L_B + L_H + L_cpl, cross-entropy on each stream and on the sum."""

    def __init__(self, config: RunConfig, classes: int, steps_per_epoch: int):
        super().__init__()
        self.config, self.total_steps = config, config.optim.epochs * steps_per_epoch
        self.model = BHaRNet(config.model, classes)
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.optim.label_smoothing)
        self.accuracy = nn.ModuleDict({name: MulticlassAccuracy(classes, average='micro')
                                       for name in ('fused', 'body', 'hand')})

    def _parts(self, logits: Logits) -> dict[str, Tensor]:
        """Return the logits that are trained; 'fused' says nothing new with a single stream."""
        streams = {'body': logits.body, 'hand': logits.hand}
        streams = {name: z for name, z in streams.items() if z is not None}
        return streams if len(streams) == 1 else streams | {'fused': logits.fused}

    def training_step(self, batch: list, _: int) -> Tensor:
        """Return the sum of the losses."""
        inputs, label = batch
        parts = self._parts(self.model(*inputs))
        loss = sum(self.loss(z, label) for z in parts.values())
        self.log('loss', loss / len(parts), on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: list, _: int) -> None:
        """Count hits of the fused logits and of each stream."""
        inputs, label = batch
        logits = self.model(*inputs)
        for name, z in (self._parts(logits) | {'fused': logits.fused}).items():
            self.accuracy[name](z, label)
            self.log(f'accuracy/{name}', self.accuracy[name], on_epoch=True,
                     prog_bar=name == 'fused')

    def configure_optimizers(self) -> dict:
        """See OptimConfig."""
        optim = self.config.optim
        # No decay on norms, biases and the learned adjacency: they are not there to be small.
        named = dict(self.model.named_parameters())
        plain = {name for name, p in named.items() if p.ndim <= 1 or 'adjacency' in name}
        optimizer = torch.optim.AdamW(
            [{'params': [p for name, p in named.items() if name not in plain],
              'weight_decay': optim.weight_decay},
             {'params': [named[name] for name in sorted(plain)], 'weight_decay': 0.0}],
            lr=optim.rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, optim.rate, total_steps=self.total_steps, pct_start=0.2)
        return {'optimizer': optimizer,
                'lr_scheduler': {'scheduler': schedule, 'interval': 'step'}}


def fit(config: RunConfig, train: Clips, test: Clips | None = None,
        progress: bool = True) -> tuple[BHaRNet, dict[str, float]]:
    """Train on `train` for all epochs, then score `test` once (never used to choose anything).

    Returns the model in eval mode and accuracies ('accuracy/fused', 'accuracy/body', ...).
    """
    lightning.seed_everything(config.seed, verbose=False)
    idle = train.class_names.index(config.idle) if config.idle in train.class_names else None
    dataset = ClipDataset(train, config.steps, idle, config.augment, config.seed)
    sampler = None
    if config.optim.balance:
        count = np.bincount(train.label, minlength=len(train.class_names))
        sampler = WeightedRandomSampler((1.0 / count)[train.label].tolist(), len(train))
    loader = DataLoader(dataset, config.optim.batch, sampler=sampler, shuffle=sampler is None,
                        drop_last=len(train) > config.optim.batch)
    task = Task(config, len(train.class_names), len(loader))
    trainer = lightning.Trainer(
        max_epochs=config.optim.epochs, accelerator='auto', logger=False,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=progress,
        gradient_clip_val=5.0, log_every_n_steps=1)
    trainer.fit(task, loader)
    scores = {}
    if test is not None:
        scores = trainer.validate(task, DataLoader(ClipDataset(test, config.steps), 128),
                                  verbose=False)[0]
    return task.model.eval(), scores
