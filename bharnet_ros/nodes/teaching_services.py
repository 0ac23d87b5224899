"""Services by which a running robot is taught: takes of what the camera sees, then a new model."""

from collections.abc import Callable
from contextlib import ExitStack

from rclpy.node import Node

from bharnet_ros.errors import BharnetError
from bharnet_ros.inference.model import Model
from bharnet_ros.inference.taught import TaughtModel
from bharnet_ros.srv import Ask, ListTakes, NameAction, NameTake
from bharnet_ros.teaching.lesson import Lesson
from bharnet_ros.teaching.recorder import TakeRecorder
from bharnet_ros.teaching.takes import TakeError
from bharnet_ros.types import Keypoints

SERVICES = {
    'start_take': NameAction,
    'stop_take': Ask,
    'list_takes': ListTakes,
    'delete_take': NameTake,
    'forget_action': NameAction,
    'teach': Ask,
}


class TeachingServices:
    """Each answers with success and plain text; nothing that it refuses changes anything.

    All of it runs in the executor, as keypoints do.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        model: Callable[[], Model],
        serve: Callable[[str], str],
        stack: ExitStack,
    ):
        """Offer the services.

        Args:
            node: whose they are.
            name: of the set of actions that is taught.
            model: gives the model that the node runs.
            serve: runs another model, by its name; returns why that cannot be, '' if it can.
            stack: takes the services away when it is closed.

        """
        self._name, self._model, self._serve = name, model, serve
        self._recorder = TakeRecorder()
        self._lesson: Lesson | None = None
        for service_name, kind in SERVICES.items():
            service = node.create_service(
                kind, f'~/{service_name}', self._answering(getattr(self, service_name))
            )
            stack.callback(node.destroy_service, service)

    def push(self, frame: Keypoints) -> None:
        """Take keypoints that the node accepted."""
        self._recorder.push(frame)

    def stop(self) -> None:
        """Give up a take that goes on: keypoints come no more."""
        self._recorder.stop()

    @staticmethod
    def _answering(step: Callable) -> Callable:
        def answer(request, response):
            try:
                response.message = step(request, response)
                response.success = True
            except (BharnetError, OSError) as error:
                response.message, response.success = str(error), False
            return response

        return answer

    @property
    def lesson(self) -> Lesson:
        """The set, seen by the encoder of the model that runs."""
        model = self._model()
        if self._lesson is None or not self._lesson.fits(model):
            self._lesson = Lesson(model, self._name)
        return self._lesson

    def start_take(self, request: NameAction.Request, _: NameAction.Response) -> str:
        """Begin to record an action."""
        self.lesson.check(request.action)
        self._recorder.start(request.action)
        return f'{request.action}: show it, from rest to rest, then call stop_take'

    def stop_take(self, _: Ask.Request, __: Ask.Response) -> str:
        """Keep what was shown since start_take."""
        action, takes = self._recorder.finish()
        told, kept = [], 0
        for take in takes:
            try:
                told.append(self.lesson.add(action, take).text)
                kept += 1
            except TakeError as error:  # the others may serve
                told.append(f'{action}: not taken: {error}')
        if not kept:
            raise TakeError('; '.join(told))
        return '; '.join(told)

    def list_takes(self, _: ListTakes.Request, response: ListTakes.Response) -> str:
        """Tell of all takes."""
        for action, numbers in self.lesson.actions.items():
            for number in numbers:
                response.actions.append(action)
                response.takes.append(number)
        return f'{len(response.takes)} takes of {self._name}'

    def delete_take(self, request: NameTake.Request, _: NameTake.Response) -> str:
        """Remove one take."""
        self.lesson.delete(request.action, request.take)
        return f'{request.action}: take {request.take} deleted; call teach to learn anew'

    def forget_action(self, request: NameAction.Request, _: NameAction.Response) -> str:
        """Remove an action."""
        count = self.lesson.forget(request.action)
        return f'{request.action}: {count} takes forgotten; call teach to learn anew'

    def teach(self, _: Ask.Request, __: Ask.Response) -> str:
        """Learn all takes, and run the model that knows them."""
        lesson, model = self.lesson, self._model()
        if not lesson.actions and lesson.file.exists():
            lesson.clear()
            if reason := self._serve(lesson.encoder_name):
                raise BharnetError(f'nothing is taught any more, but the node goes on: {reason}')
            return f'nothing is taught any more; the node runs {lesson.encoder_name} now'
        verdict = lesson.teach()
        alone = isinstance(model, TaughtModel) and not model.words
        chosen = verdict.name if alone else f'{lesson.encoder_name}+{verdict.name}'
        if reason := self._serve(chosen):
            raise BharnetError(f'taught, but the node goes on with the model before: {reason}')
        return '; '.join([f'the node runs {chosen} now', *verdict.lines])
