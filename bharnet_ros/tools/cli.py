"""bharnet: recognise actions without ROS, measure, look at models, mend recordings."""

import argparse
import io
import os
import signal
import sys
import threading
from dataclasses import replace

from bharnet_ros import __version__
from bharnet_ros.config import (
    TOPIC,
    BenchOptions,
    DoctorOptions,
    EchoOptions,
    ExplainOptions,
    InfoOptions,
    RecoverOptions,
    RunOptions,
    RuntimeConfig,
    SetOptions,
    SoakOptions,
    StudioOptions,
    TeachOptions,
)
from bharnet_ros.errors import BharnetError
from bharnet_ros.system.parts import ROS, STUDIO, needing
from bharnet_ros.system.signals import at_signals, ended_by_signals
from bharnet_ros.tools.options import add_options, read_options

COMMANDS = {
    'run': RunOptions,
    'studio': StudioOptions,
    'teach': TeachOptions,
    'doctor': DoctorOptions,
    'bench': BenchOptions,
    'soak': SoakOptions,
    'explain': ExplainOptions,
    'echo': EchoOptions,
    'set': SetOptions,
    'recover': RecoverOptions,
    'info': InfoOptions,
}
# Options that take several values would swallow what comes after them.
USAGE = {
    'run': 'bharnet run [SOURCE] [options]',
    'bench': 'bharnet bench VIDEO [VIDEO ...] [options]',
    'set': 'bharnet set NAME=VALUE [NAME=VALUE ...] [options]',
}


def make_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog='bharnet', description=__doc__)
    parser.add_argument('--version', action='version', version=__version__)
    commands = parser.add_subparsers(dest='command', required=True)
    for name, config in COMMANDS.items():
        command = commands.add_parser(
            name, help=config.__doc__, description=config.__doc__, usage=USAGE.get(name)
        )
        add_options(command, config)
        if config is RunOptions:
            command.add_argument('place', nargs='?', metavar='SOURCE', help='As --source.')
    return parser


def _recover(config: RecoverOptions) -> None:
    # Not at once: half a bag must not be left.
    stop = threading.Event()
    at_signals(lambda *_: stop.set())
    from bharnet_ros.bags.recovery import BagError, recover

    try:
        recovered = recover(config.bag, config.new, stop.is_set)
    except (BagError, OSError) as error:
        sys.exit(f'error: {error}')
    print(recovered.describe())


def main(argv: list[str] | None = None) -> None:
    """Run the command line; an error that the user can mend is one line and status 1.

    A signal that ends it is one line, and status 128 plus its number unless it ends in order.
    """
    args = make_parser().parse_args(argv)
    if getattr(args, 'place', None) is not None:
        args.source = args.place
    if sys.stdout is None:  # closed by the caller
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), 'w')
    # Also into a file or a pipe, so that an error comes after what was said before it.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    with ended_by_signals():
        try:
            if args.command == 'recover':
                _recover(read_options(RecoverOptions, args))
            else:
                _run_command(args)
        except BrokenPipeError:  # whoever reads has seen enough, as in `bharnet info | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is buffered
            sys.exit(128 + signal.SIGPIPE)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run_command(args: argparse.Namespace) -> None:
    try:
        config: object = read_options(COMMANDS[args.command], args)
        # Here, because MediaPipe takes two seconds to import and `--help` should not wait for it.
        if isinstance(config, RunOptions):
            from bharnet_ros.tools.run import run

            realtime = config.source.realtime or config.show
            run(replace(config, source=replace(config.source, realtime=realtime)), note=_note)
        elif isinstance(config, StudioOptions):
            with needing(STUDIO):
                from bharnet_ros.studio.run import place_of, studio

            if not config.source.startswith(TOPIC):
                studio(config, place_of(config), _note)
                return
            with needing(ROS):
                from bharnet_ros.tools.robot_page import robot

            with robot(config) as place:
                studio(config, place, _note)
        elif isinstance(config, TeachOptions):
            from bharnet_ros.tools.teach import teach

            teach(config, note=lambda text: print(text, flush=True))
        elif isinstance(config, DoctorOptions):
            from bharnet_ros.tools.doctor import doctor

            if wrong := doctor(config):
                sys.exit(f'error: {wrong} of these are wrong')
        elif isinstance(config, BenchOptions):
            from bharnet_ros.tools.bench.report import bench

            bench(config)
        elif isinstance(config, SoakOptions):
            with needing(ROS):
                from bharnet_ros.tools.soak.run import soak

            if faults := soak(config):
                sys.exit(f'error: {"; ".join(faults)}')
        elif isinstance(config, ExplainOptions):
            from bharnet_ros.tools.explain import explain_file

            explain_file(config, _note)
        elif isinstance(config, EchoOptions | SetOptions):
            with needing(ROS):
                from bharnet_ros.tools.ask import assign, echo

            if isinstance(config, EchoOptions):
                echo(config)
            else:
                assign(config)
        elif isinstance(config, InfoOptions):
            from bharnet_ros.inference.loading import load_model
            from bharnet_ros.tools.info import as_json, as_page

            model = load_model(config.model, RuntimeConfig())
            print(as_json(model) if config.json else as_page(model))
    except BrokenPipeError:
        raise  # it is no error of ours, see `main`
    except (BharnetError, ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
