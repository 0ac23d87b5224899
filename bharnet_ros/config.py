"""Everything that can be set, once: nodes, command lines, params file and reference follow it.

After a change: `make reference`.
"""

import os
import re
from dataclasses import MISSING, dataclass
from enum import Enum
from pathlib import Path

from bharnet_ros.system.settings import Checked, group, like, setting

PROVIDERS = ('auto', 'tensorrt', 'cuda', 'cpu')
PRECISIONS = ('auto', 'float32', 'float16')
DETECTORS = ('mediapipe', 'onnx')
MAX_THREADS = 64
PIXEL_FORMATS = ('', 'MJPG', 'YUYV')  # V4L2 names
TURNS = (0, 90, 180, 270)
TOPIC = 'topic:'  # before the name of a topic of keypoints, as a source of the page
MODELS_OWN = -1.0  # of a number that may be 0: what the model says


# Parts that several programs share.


class Kind(Enum):
    """What a source string means."""

    CAMERA = 'camera'
    FILE = 'video file'
    STREAM = 'stream'


@dataclass(frozen=True)
class SourceConfig(Checked):
    """A source and how to play it."""

    source: str = setting(
        '0',
        'Camera number or device, video file, URL (rtsp, http and others) or GStreamer pipeline; '
        "for camera_node also 'topic', an image topic of ROS.",
    )
    width: int = setting(
        0, 'Image width asked of a camera, pixels; 0 takes its default.', low=0, high=8192
    )
    height: int = setting(
        0, 'Image height asked of a camera, pixels; 0 takes its default.', low=0, high=8192
    )
    fps: float = setting(
        0.0, 'Frame rate asked of a camera, Hz; 0 takes its default.', low=0, high=1000
    )
    pixel_format: str = setting(
        '',
        'Pixel format asked of a camera; empty takes its default. Many USB cameras reach 720p at '
        '30 Hz with MJPG only.',
        choices=PIXEL_FORMATS,
    )
    rotate: int = setting(
        0,
        'Degrees clockwise by which images are turned. What a video file says of itself is done '
        'before.',
        choices=TURNS,
    )
    realtime: bool = setting(
        True,
        'Play a file at its own rate, dropping frames that come too fast. Otherwise every frame '
        'is taken, as fast as it is processed.',
    )
    loop: bool = False  # a file starts again at its end
    frame_id: str = setting('', 'Coordinate frame of the camera, of sources other than a topic.')

    @property
    def kind(self) -> Kind:
        """Camera for a number or /dev path, stream for a URL or pipeline, else a file.

        A stream may turn out to be a finite file: `VideoReader.live` knows once it is open.
        """
        if (self.source.isascii() and self.source.isdigit()) or self.source.startswith('/dev/'):
            return Kind.CAMERA
        if self.is_pipeline or re.match(r'(?!file:)[a-z][a-z0-9+.-]*://', self.source, re.I):
            return Kind.STREAM
        return Kind.FILE

    @property
    def is_pipeline(self) -> bool:
        """Whether it is a GStreamer pipeline."""
        return ' ! ' in self.source

    @property
    def display_name(self) -> str:
        """The source without user name and password, for logs; always valid UTF-8.

        Examples:
            >>> SourceConfig('rtsp://user:secret@camera/stream').display_name
            'rtsp://***@camera/stream'

        """
        if self.kind is not Kind.STREAM:
            return os.fsencode(self.source).decode('utf-8', 'backslashreplace')
        shown = re.sub(r'//[^/?#\s]+@', '//***@', self.source)
        return re.sub(r'\b(user-pw=)("[^"]*"|\S+)', r'\1***', shown)  # GStreamer's rtspsrc


@dataclass(frozen=True)
class DetectorConfig(Checked):
    """What finds people, when a person counts as seen, and where the networks run."""

    detector: str = setting(
        'mediapipe',
        'What finds people: mediapipe follows one person; onnx follows several, with the same '
        'networks in ONNX Runtime. The latter needs the part people (docs/several_people.md).',
        choices=DETECTORS,
    )
    min_detection: float = setting(0.5, 'Least score with which a person is found.', low=0, high=1)
    min_tracking: float = setting(
        0.5, 'Least score with which a person is followed.', low=0, high=1
    )
    detect_persons: int = setting(
        4, 'How many people the detector onnx follows at a time.', low=1, high=20
    )
    detect_provider: str = setting(
        'cpu',
        'Where the networks of the detector onnx run; one that is named and not there falls back '
        'with a warning.',
        choices=PROVIDERS,
    )
    detect_precision: str = setting(
        'auto', 'Their precision where TensorRT runs them.', choices=PRECISIONS
    )
    detect_threads: int = setting(
        1, 'How many threads they may use on the CPU.', low=1, high=MAX_THREADS
    )


@dataclass(frozen=True)
class RuntimeConfig(Checked):
    """Where and how ONNX Runtime runs a model."""

    provider: str = setting(
        'cpu',
        'Where the model runs. auto takes the best there is; a named one that is not there falls '
        'back with a warning.',
        choices=PROVIDERS,
    )
    require_provider: bool = setting(False, 'Fail rather than fall back from a named provider.')
    precision: str = setting(
        'auto',
        'Precision of a TensorRT engine; auto takes that of the model file.',
        choices=PRECISIONS,
    )
    threads: int = setting(
        1,
        'How many threads ONNX Runtime may use on the CPU; one leaves the other cores to the '
        'detector.',
        low=1,
        high=MAX_THREADS,
    )


@dataclass(frozen=True)
class DecisionConfig(Checked):
    """When to believe the scores, and of which actions to speak.

    Probabilities are smoothed exponentially. An action starts when its probability has been the
    highest and at least `threshold`, and that of idle and unknown together at most `max_idle`, for
    `min_duration`; it ends when it has been below `exit_threshold` for `hold`, so one weak window
    neither starts nor ends anything. Where another class than idle is the highest and does not
    reach this, what the person does is unknown.

    Labels off the lists stay competitors: where one of them wins, no other action starts.
    """

    threshold: float = setting(
        0.0,
        'Least probability with which an action starts; what is most probable and below it is '
        "unknown. 0 takes the model's own threshold (bharnet info tells it), or "
        '0.6 if it has none.',
        low=0,
        high=1,
        live=True,
    )
    exit_threshold: float = setting(
        0.0,
        'Probability below which an action ends; not above threshold. 0 takes two thirds of '
        'threshold.',
        low=0,
        high=1,
        live=True,
    )
    min_duration: float = setting(
        MODELS_OWN,
        'How long an action must be the most probable before it starts, seconds. -1 takes the '
        "model's own, or 0.2 if it has none.",
        low=MODELS_OWN,
        high=10,
        live=True,
    )
    hold: float = setting(
        0.3,
        'How long an action must be below exit_threshold before it ends, seconds.',
        low=0,
        high=10,
        live=True,
    )
    smoothing: float = setting(
        MODELS_OWN,
        'Time constant with which probabilities are smoothed, seconds; 0 does not smooth, -1 '
        "takes the model's own, or 0.1 if it has none.",
        low=MODELS_OWN,
        high=10,
        live=True,
    )
    max_idle: float = setting(
        1.0,
        'Most probability of idle and unknown together with which an action starts; with more it '
        'is unknown. Below 1, say 0.05, unknown actions start less often; 1 is off.',
        low=0.0001,
        high=1,
        live=True,
    )
    labels_allow: tuple[str, ...] = setting(
        (), 'Actions that may start, by their labels; none allows all.', live=True, metavar='LABEL'
    )
    labels_deny: tuple[str, ...] = setting(
        (),
        'Actions that may not start, also of those allowed; one that goes on ends at once.',
        live=True,
        metavar='LABEL',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ('min_duration', 'smoothing'):
            value = getattr(self, name)
            if MODELS_OWN < value < 0:
                raise ValueError(f"{name} is 0 or more, or -1 for the model's own, not {value:g}")
        if 0 < self.threshold < self.exit_threshold:
            raise ValueError(
                f'exit_threshold, {self.exit_threshold:g}, is above threshold, {self.threshold:g}'
            )


@dataclass(frozen=True)
class PipelineConfig(Checked):
    """How windows are kept and when they are classified."""

    rate: float = setting(7.5, 'Decisions a second for each person.', low=0.1, high=120)
    max_load: float = setting(
        0.5,
        'Share of the time that inference may take; where it would take more, decisions come '
        'less often.',
        low=0.01,
        high=1,
    )
    max_gap: float = setting(
        0.5,
        'How long a person may be out of sight before the action ends and the window is emptied, '
        'seconds.',
        low=0.05,
        high=10,
    )
    min_fill: float = setting(
        0.5,
        'Share of the window that must be filled before the first decision.',
        low=0,
        high=1,
    )
    max_persons: int = setting(
        8,
        'How many people are followed at a time; the one seen longest ago makes room for another.',
        low=1,
        high=100,
    )
    decision: DecisionConfig = group(DecisionConfig())


@dataclass(frozen=True)
class WaitConfig(Checked):
    """What a file or bag waits for, because whoever is discovered later misses its beginning."""

    wait_for_subscriber: float = setting(
        5.0,
        'How long a file or bag waits for subscribers of keypoints before it starts, seconds.',
        low=0,
        high=600,
    )
    subscribers: int = setting(
        1, 'How many subscribers of keypoints a file or bag waits for.', low=1, high=100
    )


# Nodes.


@dataclass(frozen=True)
class LifecycleConfig(Checked):
    """What every lifecycle node has."""

    autostart: bool = setting(
        False,
        'Configure and activate at start, without a launch file or lifecycle manager.',
        read_only=True,
    )


@dataclass(frozen=True)
class CameraConfig(Checked):
    """Camera, video file, stream or image topic to keypoints."""

    lifecycle: LifecycleConfig = group(LifecycleConfig())
    source: SourceConfig = group(SourceConfig(frame_id='camera_optical_frame'))
    image_transport: str = setting(
        'raw',
        "With source 'topic': whether to subscribe to image or to image/compressed.",
        choices=('raw', 'compressed'),
    )
    reliability: str = setting(
        'best_effort',
        "With source 'topic': QoS of the subscription. Raw images above 512 KB need reliable, or "
        'a larger shared-memory segment with Fast DDS.',
        choices=('best_effort', 'reliable'),
    )
    at_end: str = setting(
        'exit',
        'What to do at the end of a file: end the process, start again, or stay.',
        choices=('exit', 'loop', 'stay'),
    )
    wait: WaitConfig = group(WaitConfig())
    reconnect_seconds: float = setting(
        2.0,
        'Pause between attempts to open a lost camera or stream, seconds.',
        low=0.1,
        high=3600,
    )
    detector: DetectorConfig = group(DetectorConfig())


@dataclass(frozen=True)
class RecognitionConfig(Checked):
    """Keypoints to scores and actions."""

    lifecycle: LifecycleConfig = group(LifecycleConfig())
    model: str = setting(
        'asl_words',
        'Model file (.onnx), or the name of a model that came with the package; actions that you '
        'taught by their name, or beside the words of a model as asl_words+my_actions.',
        live=True,
    )
    runtime: RuntimeConfig = group(RuntimeConfig())
    actions: str = setting(
        'my_actions', "The set of actions that the node's services teach (docs/teaching.md)."
    )
    keypoints_timeout: float = setting(
        2.0,
        'How long no keypoints may come before all actions end, seconds.',
        low=0.1,
        high=60,
    )
    pipeline: PipelineConfig = group(PipelineConfig())


@dataclass(frozen=True)
class ReplayConfig(Checked):
    """Play the keypoints of a bag."""

    bag: str = setting('', 'Folder of the bag; it must be given.', read_only=True)
    topic: str = setting(
        '', 'Topic in the bag; needed if it holds keypoints of several.', read_only=True
    )
    speed: float = setting(
        1.0, 'How many times as fast as recorded.', low=0.1, high=10, read_only=True
    )
    loop: bool = setting(False, 'Start again at the end.', read_only=True)
    clock: bool = setting(
        True,
        "Publish /clock with the keypoints' stamps, for nodes with use_sim_time.",
        read_only=True,
    )
    wait: WaitConfig = group(WaitConfig(wait_for_subscriber=10.0), read_only=True)


@dataclass(frozen=True)
class RecordConfig(Checked):
    """Record keypoints, scores and actions in a bag; never images."""

    bag: str = setting(
        '', 'Folder to write, which must not exist; it must be given.', read_only=True
    )
    topics: tuple[str, ...] = setting(
        ('keypoints', 'scores', 'actions'),
        'Topics to record.',
        choices=('keypoints', 'scores', 'actions'),
        read_only=True,
    )


@dataclass(frozen=True)
class HriBridgeConfig(Checked):
    """Keypoints and actions to the topics of REP-155 (ROS4HRI)."""

    gestures: tuple[str, ...] = setting(
        (),
        'Actions that are gestures of hri_msgs, as LABEL=GESTURE, such as hello=WAVING. A label '
        'with the name of a gesture, such as waving, is one of itself.',
        read_only=True,
    )
    forget_after: float = setting(
        1.0,
        'How long a body may be out of sight before it leaves /humans/bodies/tracked, seconds.',
        low=0.1,
        high=60,
        read_only=True,
    )
    max_persons: int = like(PipelineConfig, 'max_persons', read_only=True)


@dataclass(frozen=True)
class MarkerConfig(Checked):
    """Keypoints and actions to markers, for RViz and Foxglove."""

    field_of_view: float = setting(
        60.0,
        'Horizontal angle of view of the camera, degrees; how far away people are drawn follows '
        'from it.',
        low=5,
        high=170,
        read_only=True,
    )


# Command lines.


@dataclass(frozen=True)
class RunOptions(Checked):
    """Recognise actions from a camera, file or stream."""

    source: SourceConfig = group(SourceConfig(realtime=False))
    model: str = like(RecognitionConfig, 'model')
    runtime: RuntimeConfig = group(RuntimeConfig())
    detector: DetectorConfig = group(DetectorConfig())
    show: bool = setting(False, 'Open a window with what is found; q closes it.')
    save: Path | None = setting(None, 'Write an annotated video.', metavar='FILE.mp4')
    json: Path | None = setting(None, 'Write events as JSON, one a line.', metavar='FILE.jsonl')
    bag: Path | None = setting(None, 'Write keypoints as a rosbag2.', metavar='FOLDER')
    decision: DecisionConfig = group(DecisionConfig())


@dataclass(frozen=True)
class StudioOptions(Checked):
    """Serve a page that shows what is seen, what is recognised, and why."""

    source: str = setting(
        '',
        'Camera, video file (in a loop), URL, or the folder of a bag with keypoints; '
        'topic:keypoints listens to a running robot. By default the webcam if there is one, else '
        'the recording that came with the package.',
    )
    width: int = like(SourceConfig, 'width')
    height: int = like(SourceConfig, 'height')
    fps: float = like(SourceConfig, 'fps')
    pixel_format: str = like(SourceConfig, 'pixel_format')
    rotate: int = like(SourceConfig, 'rotate')
    model: str = like(RecognitionConfig, 'model')
    runtime: RuntimeConfig = group(RuntimeConfig())
    host: str = setting(
        '127.0.0.1',
        'Address to listen at. Any but this machine itself, such as 0.0.0.0 for all networks, '
        'asks viewers for a token, which is in the address that is printed.',
    )
    port: int = setting(8470, 'Port to listen at; 0 takes one that is free.', low=0, high=65535)
    picture: bool = setting(
        True, 'Show what the camera sees; --no-picture shows skeletons alone, for privacy.'
    )
    decision: DecisionConfig = group(DecisionConfig())


@dataclass(frozen=True)
class BenchOptions(Checked):
    """Time every stage against the bare libraries, and the real graph at several rates."""

    videos: tuple[Path, ...] = setting(
        MISSING,
        'Videos to measure on; the graph plays the first one.',
        positional=True,
        metavar='VIDEO',
    )
    model: str = like(RecognitionConfig, 'model')
    runtime: RuntimeConfig = group(RuntimeConfig())
    rounds: int = setting(3, 'How often the stages are measured on each video.', low=1)
    rates: tuple[float, ...] = setting(
        (15.0, 30.0, 60.0, 120.0, 0.0),
        'Rates of the source in the graph, Hz; 0 takes every frame, as fast as possible.',
        low=1,
        high=1000,
        or_zero=True,
        metavar='HZ',
    )
    seconds: float = setting(
        10.0,
        'How long each rate is measured, seconds; 0 leaves the graph out.',
        low=3,  # diagnostics come once a second
        high=3600,
        or_zero=True,
    )
    busy: int = setting(
        0,
        'How many cores to keep busy with something else while the graph is measured.',
        low=0,
        high=64,
    )
    ros: bool = setting(
        True, 'Publish what is found, and measure the graph; --no-ros leaves both out.'
    )
    json: Path | None = setting(None, 'Write all numbers as JSON.', metavar='FILE.json')
    plot: Path | None = setting(None, 'Draw ages by rate.', metavar='FILE.png')


@dataclass(frozen=True)
class SoakOptions(Checked):
    """Run the real graph for long and watch its memory."""

    minutes: float = setting(
        30.0, 'How long to run, minutes; at most a week.', low=0.5, high=7 * 24 * 60
    )
    source: str = setting(
        '',
        'Camera, video file (in a loop) or URL. By default the recording that came with the '
        'package is played in a loop, with /clock.',
    )
    model: str = like(RecognitionConfig, 'model')
    report: Path | None = setting(None, 'Write all samples as JSON.', metavar='FILE.json')


@dataclass(frozen=True)
class RecoverOptions(Checked):
    """Make a whole bag of one that was cut off."""

    bag: Path = setting(
        MISSING, 'Folder or .mcap file; it is only read.', positional=True, metavar='BAG'
    )
    new: Path | None = setting(
        None, 'Folder to write; by default beside the bag.', positional=True, metavar='FOLDER'
    )


@dataclass(frozen=True)
class InfoOptions(Checked):
    """Say what a model knows, needs and was measured at."""

    model: str = like(RecognitionConfig, 'model', positional=True, metavar='MODEL')
    json: bool = setting(False, 'Print the whole contract as JSON, for programs.')


@dataclass(frozen=True)
class ExplainOptions(Checked):
    """Say which part, moment and joint carried a decision, by hiding one after the other."""

    source: str = setting(
        MISSING,
        'Video file, or folder of a bag with keypoints.',
        positional=True,
        metavar='SOURCE',
    )
    model: str = like(RecognitionConfig, 'model')
    runtime: RuntimeConfig = group(RuntimeConfig())
    label: str = setting('', 'Whose probability; by default that of the likeliest action.')
    at: float = setting(
        -1.0,
        'Window to explain, seconds after the first decision; -1 takes the one in which the '
        'action is likeliest.',
        low=-1,
    )
    save: Path | None = setting(None, 'Draw it as a picture.', metavar='FILE.png')


@dataclass(frozen=True)
class EchoOptions(Checked):
    """Print what a topic of a running robot says, one line a message."""

    topic: str = setting(
        'actions',
        'The topic, such as actions, scores, /diagnostics or robot1/actions.',
        positional=True,
        metavar='TOPIC',
    )
    count: int = setting(0, 'End after so many messages; 0: go on until Ctrl-C.', low=0)


@dataclass(frozen=True)
class SetOptions(Checked):
    """Set parameters of a running node, such as model=ksl; a bad value changes nothing."""

    assignments: tuple[str, ...] = setting(
        MISSING, 'Parameters and their new values.', positional=True, metavar='NAME=VALUE'
    )
    node: str = setting('recognition_node', 'Whose parameters; with its namespace, if it has one.')


@dataclass(frozen=True)
class TeachOptions(Checked):
    """Teach actions by showing them to a camera, or by recordings."""

    actions: tuple[str, ...] = setting(
        (), 'Actions to show, one after the other.', positional=True, metavar='ACTION'
    )
    name: str = setting('my_actions', 'What the set of actions is called: the name of the model.')
    from_: Path | None = setting(
        None,
        'Recordings instead of a camera: a folder with a folder for each action, or a video, bag '
        'or .npz of the one ACTION that is named.',
        metavar='PATH',
    )
    takes: int = setting(3, 'How often each action is shown.', low=1, high=100)
    source: SourceConfig = group(SourceConfig())
    model: str = setting(
        '',
        'Model that sees what is shown: a file, or one that came with the package. By default the '
        'one by which the set was taught, or else asl_words.',
    )
    list_: bool = setting(False, 'Tell what was shown so far, and change nothing.')
    delete: tuple[str, ...] = setting((), 'Takes to delete.', metavar='ACTION/NUMBER')
    forget: tuple[str, ...] = setting((), 'Actions to delete with all takes.', metavar='ACTION')
    rename: tuple[str, ...] = setting((), 'An action and its new name.', metavar='ACTION')


@dataclass(frozen=True)
class DoctorOptions(Checked):
    """Look at camera, detector and model, and say in plain lines what is wrong."""

    source: SourceConfig = group(SourceConfig())
    model: str = like(RecognitionConfig, 'model')
    runtime: RuntimeConfig = group(RuntimeConfig())


@dataclass(frozen=True)
class DemoOptions(Checked):
    """Start the real graph in processes of its own and show the actions it publishes."""

    source: str = setting(
        '',
        'Camera, video file or URL. By default the webcam if there is one, else the recording '
        'that came with the package.',
    )
    model: str = like(RecognitionConfig, 'model')
    seconds: float = setting(120.0, 'Longest run, seconds.', low=0)
    page: Path | None = setting(
        None,
        'File to write at the end, for a browser: a page (.html) or a picture (.svg) of keypoints '
        'and actions. No image of the camera is in it.',
        metavar='FILE.html',
    )


# Launch files.

LOG_LEVELS = ('debug', 'info', 'warn', 'error')


@dataclass(frozen=True)
class LaunchConfig(Checked):
    """Camera to actions, in two processes or in one."""

    source: str = setting('', 'Parameter source of camera_node; empty takes it from params_file.')
    model: str = setting(
        '', 'Parameter model of recognition_node; empty takes it from params_file.'
    )
    params_file: str = setting(
        'config/bharnet.yaml',
        "YAML file with the parameters of the nodes; by default the package's own.",
    )
    namespace: str = setting('', 'Namespace of the nodes.')
    log_level: str = setting('info', 'Log level of the nodes.', choices=LOG_LEVELS)
    use_sim_time: bool = setting(False, 'Take time from /clock.')
    composed: bool = setting(False, 'Run both nodes in one process.')
    respawn: bool = setting(
        False,
        'Start a process again when it ends. Otherwise the end of the camera ends the launch.',
    )


@dataclass(frozen=True)
class ReplayLaunchConfig(Checked):
    """A bag of keypoints to actions, in simulated time."""

    bag: str = setting(
        'models/demo_keypoints',
        "Folder of a rosbag2 with keypoints; by default the package's own recording.",
    )
    speed: float = like(ReplayConfig, 'speed')
    loop: bool = like(ReplayConfig, 'loop')
    model: str = like(LaunchConfig, 'model')
    params_file: str = like(LaunchConfig, 'params_file')
    namespace: str = like(LaunchConfig, 'namespace')
    log_level: str = like(LaunchConfig, 'log_level')
