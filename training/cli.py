"""bharnet-train: train, evaluate and export from the command line. See docs/training.md."""

import json
import logging
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from bharnet_ros.training.config import RunConfig
from bharnet_ros.training.data import Clips, DataError, load_clips, merge
from bharnet_ros.training.evaluate import leave_one_out
from bharnet_ros.training.export import ExportError, export, make_contract
from bharnet_ros.training.model import BHaRNet
from bharnet_ros.training.plot import plot_clips
from bharnet_ros.training.prototypes import write_recording
from bharnet_ros.training.train import fit
from jsonargparse import CLI, ArgumentParser


def load(config: RunConfig) -> Clips:
    """Return the clips of all sources of a run."""
    return merge([load_clips(source, config.idle) for source in config.sources], config.classes)


def train(recipe: RunConfig) -> None:
    """Train on all clips of a recipe and write weights and recipe to its `out` folder."""
    clips = load(recipe)
    print(f'{len(clips)} clips, {len(clips.class_names)} classes', flush=True)
    model, _ = fit(recipe, clips)
    recipe.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), recipe.out / 'weights.pt')
    (recipe.out / 'run.json').write_text(json.dumps(asdict(recipe), indent=1, default=str))
    print(f'wrote {recipe.out}/weights.pt and run.json')


def evaluate(recipe: RunConfig, groups: list[str], seeds: list[int] = [0],  # noqa: B006
             report: Path = Path('report.json')) -> None:
    """Train once for each group and seed without that group, test on it, write a report.

    Args:
        recipe: how to train.
        groups: which groups to leave out, as 'words10/0'.
        seeds: one whole round each; a single seed ranks nothing.
        report: JSON file to write.
    """
    clips = load(recipe)
    unknown = set(groups) - set(clips.group)
    if unknown:
        raise DataError(f'no group {sorted(unknown)}; there are {sorted(set(clips.group))}')
    folds = []
    for fold in leave_one_out(recipe, clips, groups, seeds):
        folds.append(fold)
        print(f'seed {fold.seed}  without {fold.group}  ' + '  '.join(
            f'{name} {value:.3f}' for name, value in fold.accuracy.items())
            + '  ' + ', '.join(fold.confusions), flush=True)
        mean = {name: round(float(np.mean([f.accuracy[name] for f in folds])), 4)
                for name in fold.accuracy}
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps({
            'protocol': 'leave one group out', 'mean_accuracy': mean,
            'folds': [asdict(f) for f in folds]}, indent=1))
    print('mean  ' + '  '.join(f'{name} {value:.3f}' for name, value in mean.items()))


def read_run(run: Path) -> RunConfig:
    """Return the config that `train` wrote into the folder `run`."""
    parser = ArgumentParser()
    parser.add_class_arguments(RunConfig, 'recipe')
    data = {'recipe': json.loads((run / 'run.json').read_text())}
    return parser.instantiate(parser.parse_object(data)).recipe


def export_run(run: Path, name: str, to: Path, report: Path | None = None) -> None:
    """Export a trained run as one ONNX file.

    Args:
        run: folder that `train` wrote.
        name: of the model.
        to: the file to write.
        report: of `evaluate` with the same recipe; its scores go into the contract.
    """
    config = read_run(run)
    clips = load(config)
    model = BHaRNet(config.model, len(clips.class_names))
    model.load_state_dict(torch.load(run / 'weights.pt', weights_only=True))
    metrics = json.loads(report.read_text()) if report else {}
    difference = export(model.eval(), make_contract(name, config, clips, metrics), clips, to)
    print(f'wrote {to}, {to.stat().st_size / 1e6:.2f} MB; largest difference to PyTorch '
          f'{difference:.1e}')


def plot(recipe: RunConfig, to: Path, label: str | None = None, rows: int = 3) -> None:
    """Draw clips as strips of skeletons, `rows` for each class and group."""
    plot_clips(load(recipe), to, label, rows)
    print(f'wrote {to}')


def demo_recording(recipe: RunConfig, words: list[str], to: Path) -> None:
    """Compute a keypoint recording of class prototypes and write it as a bag."""
    print(f'wrote {to}, {write_recording(load(recipe), words, recipe.idle, to)} frames')


def main() -> None:
    """Run the command line; one plain line for an error that the user can mend."""
    warnings.filterwarnings('ignore', category=UserWarning)
    for name in ('lightning.pytorch', 'lightning.fabric', 'torch.onnx'):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        CLI({'train': train, 'evaluate': evaluate, 'export': export_run, 'plot': plot,
             'demo-recording': demo_recording},
            prog='bharnet-train', as_positional=False)
    except (DataError, ExportError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
