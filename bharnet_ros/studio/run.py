"""`bharnet studio`: watch a source and serve the page."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Place:
    """What a page watches."""

    told: str  # what it is, for people
    open_session: Callable[[Model], Session]
    worries: Callable[[], Iterable[str]] = tuple  # what is wrong there, in words
    on_model: Callable[[str], None] = lambda name: None  # another is to be put to work


def place_of(options: StudioOptions) -> Place:
    """Return a camera, file, stream or recording; BharnetError if a recording cannot be read."""
    source, is_bag = _source(options)
    config = PipelineConfig(decision=options.decision)
    if not is_bag:
        return Place(source.display_name, lambda model: Session(source, model, config=config))
    bag = Path(source.source)
    next(read_keypoints(bag), None)  # what is wrong with it is said here

    def open_recording(model: Model) -> Session:
        return Session(
            play(bag), model, realtime=True, config=config, make_detector=RecordedDetector
        )

    return Place(f'the recording {bag.name}', open_recording)


def studio(options: StudioOptions, place: Place, note: Callable[[str], None]) -> None:
    """Serve until a signal ends it; BharnetError, OSError or ValueError for what cannot be."""
    model = load_model(options.model, options.runtime, note)
    place.open_session(model)  # what is wrong with it is said before anything is served
    watch = Watch(place.open_session, model, options.picture, options.rotate, place.worries)
    choice = Choice(options.model, options.runtime, watch, place.on_model)
    classroom = Classroom(watch, choice.take)
    server = Server(
        options.host, options.port, watch, lambda: Page(watch, place.told, choice, classroom)
    )
    note(f'{model.contract.name} ({model.model_id}) on {model.provider}, {place.told}')
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
