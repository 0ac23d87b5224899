"""Real-time recognition of human actions from body and hand keypoints.

Without ROS, from a camera, a file, a URL or arrays:

    import bharnet_ros as br

    for moment in br.recognise('video.mp4', model='asl_words'):
        for action in moment.started:
            print(f'{action.person_id} {action.label} {action.confidence:.0%}')

The same by hand, to put something of one's own between the parts:

    model = br.Model('asl_words')
    pipeline = br.ActionPipeline(model.contract, br.PipelineConfig())
    detector = br.HolisticDetector()
    with br.VideoReader(br.SourceConfig('video.mp4')) as reader:
        while (frame := reader.read()) is not None:
            for person in detector.detect(frame):
                actions, scores = pipeline.process(person, model)
    detector.close()

Nothing heavy is imported before it is asked for: the nodes of others, who want our messages alone,
import this package, too.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING

# Generated message code (bharnet_ros.msg, bharnet_ros.srv) and bharnet_ros.training are installed
# beside this package; without this line a run from the source tree would hide them.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = '0.2.0'

if TYPE_CHECKING:  # what _HOMES says, for type checkers and editors
    from bharnet_ros.bags.bag import BagError as BagError
    from bharnet_ros.bags.bag import BagWriter as BagWriter
    from bharnet_ros.bags.bag import read_keypoints as read_keypoints
    from bharnet_ros.config import DecisionConfig as DecisionConfig
    from bharnet_ros.config import PipelineConfig as PipelineConfig
    from bharnet_ros.config import RuntimeConfig as RuntimeConfig
    from bharnet_ros.config import SourceConfig as SourceConfig
    from bharnet_ros.detectors.base import Detector as Detector
    from bharnet_ros.detectors.holistic import HolisticDetector as HolisticDetector
    from bharnet_ros.errors import BharnetError as BharnetError
    from bharnet_ros.inference.contract import Contract as Contract
    from bharnet_ros.inference.contract import ContractError as ContractError
    from bharnet_ros.inference.model import Model as Model
    from bharnet_ros.inference.model import ModelError as ModelError
    from bharnet_ros.outputs.draw import draw_caption as draw_caption
    from bharnet_ros.outputs.draw import draw_keypoints as draw_keypoints
    from bharnet_ros.outputs.files import OutputError as OutputError
    from bharnet_ros.recognition.pipeline import ActionPipeline as ActionPipeline
    from bharnet_ros.session import Moment as Moment
    from bharnet_ros.session import Session as Session
    from bharnet_ros.session import recognise as recognise
    from bharnet_ros.sources.capture import Capture as Capture
    from bharnet_ros.sources.video import SourceError as SourceError
    from bharnet_ros.sources.video import VideoReader as VideoReader
    from bharnet_ros.system.slot import Slot as Slot
    from bharnet_ros.types import Action as Action
    from bharnet_ros.types import Clip as Clip
    from bharnet_ros.types import Frame as Frame
    from bharnet_ros.types import Keypoints as Keypoints
    from bharnet_ros.types import KeypointsError as KeypointsError
    from bharnet_ros.types import Phase as Phase
    from bharnet_ros.types import Scores as Scores
    from bharnet_ros.types import State as State
    from bharnet_ros.types import Window as Window

_HOMES = {  # of a public name: the module that it comes from
    'Action': 'types',
    'ActionPipeline': 'recognition.pipeline',
    'BagError': 'bags.bag',
    'BagWriter': 'bags.bag',
    'BharnetError': 'errors',
    'Capture': 'sources.capture',
    'Clip': 'types',
    'Contract': 'inference.contract',
    'ContractError': 'inference.contract',
    'DecisionConfig': 'config',
    'Detector': 'detectors.base',
    'Frame': 'types',
    'HolisticDetector': 'detectors.holistic',
    'Keypoints': 'types',
    'KeypointsError': 'types',
    'Model': 'inference.model',
    'ModelError': 'inference.model',
    'Moment': 'session',
    'OutputError': 'outputs.files',
    'Phase': 'types',
    'PipelineConfig': 'config',
    'RuntimeConfig': 'config',
    'Scores': 'types',
    'Session': 'session',
    'Slot': 'system.slot',
    'SourceConfig': 'config',
    'SourceError': 'sources.video',
    'State': 'types',
    'VideoReader': 'sources.video',
    'Window': 'types',
    'draw_caption': 'outputs.draw',
    'draw_keypoints': 'outputs.draw',
    'read_keypoints': 'bags.bag',
    'recognise': 'session',
}


if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        home = importlib.import_module(f'{__name__}.{_HOMES[name]}')
        value = globals()[name] = getattr(home, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
