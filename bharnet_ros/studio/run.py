"""`bharnet studio`: watch a source and serve the page."""

from collections.abc import Callable
from pathlib import Path

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.config import PipelineConfig, SourceConfig, StudioOptions
from bharnet_ros.inference.loading import load_model
from bharnet_ros.inference.model import Model
from bharnet_ros.session import Session
from bharnet_ros.studio.choice import Choice
from bharnet_ros.studio.classroom import Classroom
from bharnet_ros.studio.page import Page
from bharnet_ros.studio.recording import RecordedDetector, play
from bharnet_ros.studio.server import Server
from bharnet_ros.studio.watch import Watch
from bharnet_ros.system.resources import share_dir

CAMERA = Path('/dev/video0')


def studio(options: StudioOptions, note: Callable[[str], None]) -> None:
    """Serve until a signal ends it; BharnetError, OSError or ValueError for what cannot be."""
    model = load_model(options.model, options.runtime, note)
    source, is_bag = _source(options)
    config = PipelineConfig(decision=options.decision)

    def open_session(model: Model) -> Session:
        if is_bag:
            return Session(
                play(Path(source.source)),
                model,
                realtime=True,
                config=config,
                make_detector=RecordedDetector,
            )
        return Session(source, model, config=config)

    if is_bag:
        next(read_keypoints(Path(source.source)), None)  # what is wrong with it is said here
    open_session(model)  # and with the source, before anything is served
    watch = Watch(open_session, model, options.picture, options.rotate)

    choice = Choice(options.model, options.runtime, watch)
    classroom = Classroom(watch, choice.take)
    told = f'the recording {Path(source.source).name}' if is_bag else source.display_name
    server = Server(
        options.host, options.port, watch, lambda: Page(watch, told, choice, classroom)
    )
    note(f'{model.contract.name} ({model.model_id}) on {model.provider}, {told}')
    print(f'the page, for a browser: {server.url}', flush=True)
    watch.start()
    try:
        server.run()
    finally:
        watch.stop()


def _source(options: StudioOptions) -> tuple[SourceConfig, bool]:
    """Return what to watch, and whether it is a bag."""
    default = '0' if CAMERA.exists() else str(share_dir() / 'models' / 'demo_keypoints')
    name = options.source or default
    source = SourceConfig(
        name,
        options.width,
        options.height,
        options.fps,
        options.pixel_format,
        options.rotate,
        loop=True,
    )
    return source, Path(name).is_dir()
