"""The training loop, by Lightning."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR
from torch.utils.data import DataLoader, default_collate
from torchmetrics.classification import MulticlassAccuracy

from bharnet_ros.system.places import settle_sockets

from .callbacks import AfterEachEpoch, EpochBar, SeedEachStep, StopWhenNotFinite
from .errors import TrainingError
from .networks.bharnet import Ensemble, build
from .preflight import require_two_classes
from .recipe import Member, OptimConfig, RunConfig, TrainerConfig
from .run_files import initial_state
from .threads import choose_threads
from .windows.clips import Clips
from .windows.pictures import training_clips, whole_clips
from .windows.sampler import EpochSampler, EvenBatches, balance_kinds

MONITOR = 'validation/loss'
LAST, THREADS = 'last.ckpt', 'threads'


class Task(lightning.LightningModule):
    """BHaRNet with its losses: L_B + L_H + L_cpl, cross-entropy on each stream and on the sum."""

    def __init__(self, config: RunConfig, classes: int):
        super().__init__()
        self.config = config
        self.model = build(config.model, classes)
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.optim.label_smoothing)
        self.accuracy = nn.ModuleDict(
            {
                name: MulticlassAccuracy(classes, average='micro')
                for name in ('fused', 'body', 'hand', 'picture')
            }
        )

    def losses(self, model: nn.Module, batch: list) -> list[Tensor]:
        """Return the loss of each stream, and of the fusion, that is trained."""
        inputs, label = batch
        # Losses in full precision also where the network runs in half.
        return [self.loss(z.float(), label) for z in model(*inputs).trained().values()]

    def training_step(self, batch: list, _: int) -> Tensor:
        """Return the sum of the losses."""
        parts = self.losses(self.model, batch)
        loss = sum(parts)
        self.log(
            'loss',
            loss / len(parts),
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            batch_size=len(batch[1]),
        )
        return loss

    def validation_step(self, batch: list, _: int) -> None:
        """Log the fused loss, and the accuracy of each stream."""
        inputs, label = batch
        for name, z in self.model(*inputs).all().items():
            self.accuracy[name](z, label)
            self.log(
                f'validation/{name}', self.accuracy[name], prog_bar=name == 'fused', on_epoch=True
            )
            if name == 'fused':
                self.log(
                    MONITOR,
                    nn.functional.cross_entropy(z.float(), label),
                    on_epoch=True,
                    batch_size=len(label),
                    sync_dist=True,
                )

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Note the number of threads: with another the last bits of a sum are others."""
        checkpoint[THREADS] = torch.get_num_threads()

    def configure_optimizers(self) -> dict:
        """See OptimConfig."""
        optim = self.config.optim
        # No decay on norms, biases, learned adjacency, offsets: they are not there to be small.
        named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        plain = {name for name, p in named.items() if p.ndim <= 1 or 'adjacency' in name}
        groups = [
            {
                'params': [p for name, p in named.items() if name not in plain],
                'weight_decay': optim.weight_decay,
            },
            {'params': [named[name] for name in sorted(plain)], 'weight_decay': 0.0},
        ]
        total = int(self.trainer.estimated_stepping_batches)  # of one of the devices
        if optim.optimizer == 'sgd':
            optimizer = torch.optim.SGD(groups, lr=optim.rate, momentum=0.9, nesterov=True)
            schedule = LambdaLR(optimizer, step_factor(optim, max(total // optim.epochs, 1)))
        else:
            optimizer = torch.optim.AdamW(groups, lr=optim.rate)
            schedule = OneCycleLR(optimizer, optim.rate, total_steps=total, pct_start=0.2)
        return {
            'optimizer': optimizer,
            'lr_scheduler': {'scheduler': schedule, 'interval': 'step'},
        }


def step_factor(optim: OptimConfig, steps_per_epoch: int):
    """Return step -> factor of the rate: linear warm-up, then a tenth at each milestone."""

    def factor(step: int) -> float:
        epoch = step / steps_per_epoch
        if epoch < optim.warmup:
            return (step + 1) / (optim.warmup * steps_per_epoch)
        return 0.1 ** sum(epoch >= milestone for milestone in optim.milestones)

    return factor


@dataclass(frozen=True)
class Fitted:
    """A trained network in eval mode, and where it was best."""

    model: nn.Module
    epochs: int  # that were run
    best_epoch: int | None  # counted from 0; None without a validation split: the last one


def members(config: RunConfig) -> list[RunConfig]:
    """Return the recipe of each network: of one, or of each member of an ensemble."""
    own = config.model.preprocess.features

    def recipe_of(member: Member) -> RunConfig:
        preprocess = replace(config.model.preprocess, features=tuple(member.features or own))
        return replace(
            config,
            model=replace(
                config.model,
                preprocess=preprocess,
                picture=config.model.picture if member.picture else None,
            ),
            seed=config.seed + member.seed,
            ensemble=[],
        )

    return [recipe_of(member) for member in config.ensemble] or [config]


def stages(config: RunConfig) -> int:
    """Return how many trainings a recipe takes: one a member, and one more for its pictures."""
    return sum(1 + (member.model.picture is not None) for member in members(config))


def network(config: RunConfig, classes: int) -> nn.Module:
    """Return the untrained network of a recipe."""
    parts = [build(member.model, classes) for member in members(config)]
    if not config.ensemble:
        return parts[0]
    return Ensemble(parts, [member.weight for member in config.ensemble])


def fit(
    config: RunConfig,
    train: Clips,
    validation: Clips | None = None,
    progress: bool = True,
    logs: Path | None = None,
    resume: bool = False,
    after_epoch: Callable[[], object] | None = None,
) -> Fitted:
    """Train the network of a recipe, or all members of its ensemble; see `fit_one`."""
    if not config.ensemble:
        return fit_guided(config, train, validation, progress, logs, resume, after_epoch)
    fitted = []
    folders = [
        logs / f'{"+".join(member.model.preprocess.features)}-{member.seed}'
        f'{"-picture" if member.model.picture else ""}'
        if logs
        else None
        for member in members(config)
    ]
    if logs and not resume:  # of an older run: nobody must take them for members of this
        for folder in folders:
            rank_zero_only((folder / LAST).unlink)(missing_ok=True)
    for member, folder in zip(members(config), folders, strict=True):
        # A resumed ensemble goes on with the member that it had come to.
        begun = resume and (folder / LAST).is_file()
        if resume and not begun and not fitted:
            raise TrainingError(f'nothing to resume: there is no {folder / LAST}')
        fitted.append(fit_guided(member, train, validation, progress, folder, begun, after_epoch))
    model = Ensemble([f.model for f in fitted], [m.weight for m in config.ensemble]).eval()
    return Fitted(model, sum(f.epochs for f in fitted), None)


def fit_guided(
    config: RunConfig,
    train: Clips,
    validation: Clips | None,
    progress: bool,
    logs: Path | None,
    resume: bool,
    after_epoch: Callable[[], object] | None,
) -> Fitted:
    """Train a network; one with pictures in two stages, the skeletons first. See `fit_one`."""
    if config.model.picture is None:
        plain = (clips and clips.with_crops(None) for clips in (train, validation))
        return fit_one(config, *plain, progress, logs, resume, after_epoch)
    skeleton = replace(config, model=replace(config.model, picture=None))
    folder = logs and logs / 'skeleton'
    if logs and not resume:  # of an older run: who resumes this one must not take it for its own
        rank_zero_only((logs / LAST).unlink)(missing_ok=True)
    # The first stage of a run that was interrupted in its second is over: resuming returns it.
    guide = fit_guided(skeleton, train, validation, progress, folder, resume, after_epoch)
    begun = resume and (logs / LAST).is_file()
    return fit_one(config, train, validation, progress, logs, begun, after_epoch, guide.model)


def fit_one(
    config: RunConfig,
    train: Clips,
    validation: Clips | None = None,
    progress: bool = True,
    logs: Path | None = None,
    resume: bool = False,
    after_epoch: Callable[[], object] | None = None,
    guide: nn.Module | None = None,
) -> Fitted:
    """Train on `train`; with `validation`, keep the epoch that does best there.

    Args:
        config: the run; see RunConfig.
        train: clips to learn from.
        validation: clips to choose the epoch by. None: the last epoch is taken.
        progress: show bars.
        logs: folder for checkpoints and TensorBoard logs. None: keep nothing on disk.
        resume: go on from the last checkpoint in `logs`, to the result that an uninterrupted run
            would have given. TrainingError if there is none.
        after_epoch: called after each.
        guide: the trained skeleton network, of a recipe with pictures.

    Raises TrainingError if there is nothing to learn, or the loss or a weight is no number.

    """
    require_two_classes(train)
    config = replace(config, optim=config.optim.settled(len(train)))
    settle_sockets()
    lightning.seed_everything(config.seed, verbose=False)
    idle = train.class_names.index(config.idle) if config.idle in train.class_names else None
    dataset = training_clips(
        train, config.steps, idle, config.augment, config.seed, config.window_seconds
    )
    settings = config.trainer
    task = Task(config, len(train.class_names))
    if guide is not None:
        task.model.skeleton.load_state_dict(guide.state_dict())
    elif config.init_from is not None:
        task.model.load_state_dict(initial_state(config), strict=False)
    callbacks: list[Callback] = [SeedEachStep(), StopWhenNotFinite(MONITOR)]
    held = None
    if config.optim.patience and validation is None:
        raise TrainingError(
            'optim.patience stops early by a validation part, and the split has none'
        )
    if validation is not None:
        held = DataLoader(whole_clips(validation, config.steps), 128, num_workers=settings.workers)
        if config.optim.patience:
            callbacks.append(EarlyStopping(MONITOR, patience=config.optim.patience))
    best = None
    if logs is not None:
        if validation is not None:
            best = ModelCheckpoint(logs, 'best', monitor=MONITOR, enable_version_counter=False)
            callbacks.append(best)
        # After the best: what a resumed run knows of it is then of the same epoch.
        callbacks.append(ModelCheckpoint(logs, 'last', save_top_k=1, enable_version_counter=False))
    elif validation is not None:
        raise ValueError('to keep the best epoch, fit needs a folder for its checkpoints')
    if progress:
        callbacks.append(EpochBar())
    if after_epoch is not None:
        callbacks.append(AfterEachEpoch(after_epoch))
    checkpoint = logs / LAST if logs is not None else None
    if resume and not checkpoint.is_file():
        raise TrainingError(f'nothing to resume: there is no {checkpoint}')
    if not resume:
        if checkpoint is not None:  # of an older run: nobody must take it for one of this
            rank_zero_only(checkpoint.unlink)(missing_ok=True)
        checkpoint = None
    trainer = lightning.Trainer(
        max_epochs=config.optim.epochs,
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy=settings.strategy,
        precision=settings.precision,
        logger=TensorBoardLogger(logs.parent, logs.name, '') if logs else False,
        use_distributed_sampler=False,
        enable_checkpointing=logs is not None,
        enable_model_summary=False,
        enable_progress_bar=progress,
        callbacks=callbacks,
        gradient_clip_val=5.0,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
    )
    sampler = EpochSampler(
        balance_kinds(train, config.optim.balance),
        config.seed,
        config.optim.repeat,
        None if idle is None else train.label == idle,
        config.optim.idle_share,
    )
    loader = DataLoader(
        dataset,
        batch_sampler=EvenBatches(sampler, config.optim.batch),
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
    )
    if trainer.strategy.root_device.type == 'cpu':
        before = torch.load(checkpoint, weights_only=True).get(THREADS, 0) if checkpoint else 0
        count = min(config.optim.batch, len(train))
        batch = default_collate([dataset[(i, i)] for i in range(count)])
        choose_threads(_trial(task, batch, settings), settings.threads or before)
    trainer.fit(task, loader, held, ckpt_path=checkpoint, weights_only=True)
    best_epoch = None
    if best is not None:
        state = torch.load(best.best_model_path, weights_only=True)
        task.load_state_dict(state['state_dict'])
        best_epoch = state['epoch']
    return Fitted(task.model.cpu().eval(), trainer.current_epoch, best_epoch)


def _trial(task: Task, batch: list, settings: TrainerConfig) -> Callable[[], None]:
    """Return a step of training that leaves the task as it is, and what is random, too."""
    model = deepcopy(task.model).train()
    half = settings.precision in ('bf16-mixed', '16-mixed')

    def step() -> None:
        with torch.random.fork_rng(devices=[]):
            with torch.autocast('cpu', torch.bfloat16, enabled=half):
                loss = sum(task.losses(model, batch))
            loss.backward()
        model.zero_grad()

    return step
