"""bharnet: recognise actions without ROS, measure, look at models, mend recordings."""

import argparse
import json
import os
import signal
import sys
import threading
from dataclasses import fields
from pathlib import Path

from bharnet_ros import __version__
from bharnet_ros.errors import BharnetError
from bharnet_ros.recognition.decision import DecisionConfig
from bharnet_ros.system.signals import at_signals, ended_by_signals

DEFAULT_MODEL = 'asl_words'


def rate(text: str) -> float:
    """Return a rate of the command line, Hz."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no number; videos come before --rates"
        ) from None


def add_provider(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a model runs."""
    parser.add_argument(
        '--provider',
        default='cpu',
        help='where the model runs: auto, tensorrt, cuda or cpu (default: %(default)s)',
    )
    parser.add_argument(
        '--require-provider',
        action='store_true',
        help='fail rather than fall back from a named provider',
    )
    parser.add_argument(
        '--precision',
        default='auto',
        help='of a TensorRT engine: float32, '
        'float16, or auto, that of the model file (default: %(default)s)',
    )


def make_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog='bharnet', description=__doc__)
    parser.add_argument('--version', action='version', version=__version__)
    commands = parser.add_subparsers(dest='command', required=True)

    run = commands.add_parser('run', help='recognise actions from a camera, file or stream')
    run.add_argument(
        '--source',
        default='0',
        help='camera number or device, video file, URL or GStreamer pipeline (default: camera 0)',
    )
    run.add_argument('--model', default=DEFAULT_MODEL, help='file or name (default: %(default)s)')
    add_provider(run)
    run.add_argument(
        '--realtime',
        action='store_true',
        help='play a file at its own rate, '
        'dropping frames if need be (default: every frame, as fast as possible)',
    )
    run.add_argument(
        '--rotate',
        type=int,
        default=0,
        choices=(0, 90, 180, 270),
        help='turn images so many degrees clockwise (default: %(default)s)',
    )
    run.add_argument('--show', action='store_true', help='open a window; q closes it')
    run.add_argument('--save', type=Path, metavar='FILE.mp4', help='write an annotated video')
    run.add_argument('--json', type=Path, metavar='FILE.jsonl', help='write events, one a line')
    run.add_argument('--bag', type=Path, metavar='FOLDER', help='write keypoints as a rosbag2')
    for item in fields(DecisionConfig):
        option = f'--{item.name.replace("_", "-")}'
        if isinstance(item.default, tuple):
            run.add_argument(
                option,
                nargs='+',
                metavar='LABEL',
                default=item.default,
                help='of the decision, see the README (default: none)',
            )
        else:
            run.add_argument(
                option,
                type=float,
                default=item.default,
                help='of the decision, see the README (default: %(default)s)',
            )

    bench = commands.add_parser(
        'bench',
        help='time every stage against the bare libraries, and the real graph at several rates',
        usage='bharnet bench VIDEO [VIDEO ...] [options]',
    )
    bench.add_argument(
        'videos', type=Path, nargs='+', metavar='VIDEO', help='the graph plays the first one'
    )
    bench.add_argument('--model', default=DEFAULT_MODEL)
    add_provider(bench)
    bench.add_argument(
        '--rounds', type=int, default=3, help='of the stages (default: %(default)s)'
    )
    bench.add_argument(
        '--threads', type=int, default=1, help='of ONNX Runtime (default: %(default)s)'
    )
    bench.add_argument(
        '--rates',
        type=rate,
        nargs='*',
        default=[15, 30, 60, 120, 0],
        metavar='HZ',
        help='of the source, in the graph; 0: every frame, as fast '
        'as possible (default: 15 30 60 120 0)',
    )
    bench.add_argument(
        '--seconds',
        type=float,
        default=10.0,
        help='of each rate; 0: without the graph (default: %(default)s)',
    )
    bench.add_argument(
        '--busy',
        type=int,
        default=0,
        metavar='N',
        help='keep so many cores busy with something else while the graph is measured',
    )
    bench.add_argument('--no-ros', action='store_true', help='do not publish, without the graph')
    bench.add_argument('--json', type=Path, metavar='FILE', help='write all numbers')
    bench.add_argument('--plot', type=Path, metavar='FILE.png', help='draw ages by rate')

    soak = commands.add_parser('soak', help='run the real graph for long and watch its memory')
    soak.add_argument('--minutes', type=float, default=30.0, help='default: %(default)s')
    soak.add_argument(
        '--source',
        default='',
        help='camera, file (in a loop) or URL (default: the '
        'recording that came with the package, in a loop, with /clock)',
    )
    soak.add_argument('--model', default=DEFAULT_MODEL)
    soak.add_argument('--report', type=Path, metavar='FILE.json', help='write all samples')

    recover = commands.add_parser('recover', help='make a whole bag of one that was cut off')
    recover.add_argument('bag', type=Path, help='folder or .mcap file; it is only read')
    recover.add_argument('new', type=Path, nargs='?', help='folder to write (default: beside it)')

    info = commands.add_parser('info', help='print the contract of a model')
    info.add_argument('model', nargs='?', default=DEFAULT_MODEL)
    return parser


def _recover(args: argparse.Namespace) -> None:
    # Not at once: half a bag must not be left.
    stop = threading.Event()
    at_signals(lambda *_: stop.set())
    from bharnet_ros.bags.recovery import BagError, recover

    try:
        recovered = recover(args.bag, args.new, stop.is_set)
    except (BagError, OSError) as error:
        sys.exit(f'error: {error}')
    print(recovered.describe())


def main(argv: list[str] | None = None) -> None:
    """Run the command line; an error that the user can mend is one line and status 1.

    A signal that ends it is one line, and status 128 plus its number unless it ends in order.
    """
    args = make_parser().parse_args(argv)
    if sys.stdout is None:  # closed by the caller
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), 'w')
    # Also into a file or a pipe, so that an error comes after what was said before it.
    sys.stdout.reconfigure(line_buffering=True)
    with ended_by_signals():
        try:
            _recover(args) if args.command == 'recover' else _run_command(args)
        except BrokenPipeError:  # whoever reads has seen enough, as in `bharnet info | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is buffered
            sys.exit(128 + signal.SIGPIPE)


def _run_command(args: argparse.Namespace) -> None:
    # Here, because MediaPipe takes two seconds to import and `--help` should not wait for it.
    from bharnet_ros.inference.model import Model
    from bharnet_ros.sources.video import SourceConfig

    try:
        if args.command == 'run':
            from bharnet_ros.tools.run import RunOptions, run

            decision = DecisionConfig(
                **{
                    item.name: type(item.default)(getattr(args, item.name))
                    for item in fields(DecisionConfig)
                }
            )
            run(
                RunOptions(
                    SourceConfig(
                        args.source,
                        realtime=args.realtime or args.show,
                        rotate=args.rotate,
                    ),
                    args.model,
                    args.provider,
                    args.require_provider,
                    args.precision,
                    args.show,
                    args.save,
                    args.json,
                    args.bag,
                    decision,
                ),
                note=lambda text: print(text, file=sys.stderr, flush=True),
            )
        elif args.command == 'bench':
            from bharnet_ros.tools.bench.report import BenchOptions, bench

            bench(
                BenchOptions(
                    tuple(args.videos),
                    args.model,
                    args.rounds,
                    args.threads,
                    not args.no_ros,
                    tuple(args.rates),
                    args.seconds,
                    args.busy,
                    args.json,
                    args.plot,
                    args.provider,
                    args.require_provider,
                    args.precision,
                )
            )
        elif args.command == 'soak':
            from bharnet_ros.tools.soak.run import soak

            if faults := soak(args.minutes, args.source, args.model, args.report):
                sys.exit(f'error: {"; ".join(faults)}')
        else:
            recognizer = Model(args.model)
            print(
                json.dumps(
                    {'file': str(recognizer.path), 'model_id': recognizer.model_id}
                    | json.loads(recognizer.contract.to_json()),
                    indent=1,
                )
            )
    except BrokenPipeError:
        raise  # it is no error of ours, see `main`
    except (BharnetError, ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
