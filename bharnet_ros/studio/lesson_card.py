"""The part of the page where actions are taught."""

import asyncio
import base64
from collections.abc import Callable

from nicegui import ui

from bharnet_ros.errors import BharnetError
from bharnet_ros.studio.classroom import Classroom

TAKES = 3  # that are recommended
MOST = 20


class LessonCard:
    """Record, look, redo, teach, undo, for one viewer."""

    def __init__(self, classroom: Classroom):
        self._classroom = classroom
        self._version: tuple[int, str] | None = None
        with ui.card().classes('w-full shadow-sm rounded-lg gap-2'):
            ui.label('Teach').classes('font-bold')
            with ui.row().classes('w-full items-end gap-3'):
                self._action = ui.input('action').mark('action').classes('grow min-w-32')
                self._takes = ui.number('takes', value=TAKES, min=1, max=MOST, precision=0)
                self._takes.classes('w-16')
                self._record = ui.button('Record', on_click=self._toggle).mark('record')
            self._status = ui.label().mark('status').classes('text-2xl font-bold')
            self._said = ui.label().mark('said').classes('text-sm')
            self._list = ui.column().classes('w-full gap-2')
            with ui.row().classes('w-full items-center gap-3'):
                self._teach_button = ui.button('Teach', on_click=self._teach).mark('teach')
                self._words = ui.switch("beside the model's words", value=True)
                self._undo = ui.button('Undo', on_click=lambda: self._do(classroom.undo))
                self._undo.props('flat')
            self._verdict = ui.column().classes('w-full gap-0 text-sm').mark('verdict')

    def follow(self, model_id: str) -> None:
        """Show what is going on now; what can be taught hangs on the model at work."""
        room = self._classroom
        self._status.set_text(room.status)
        self._status.set_visibility(room.is_recording)
        self._said.set_text(room.said)
        self._record.set_text('Stop' if room.is_recording else 'Record')
        self._undo.set_enabled(room.can_undo)
        if self._version != (room.version, model_id):
            self._version = room.version, model_id
            self._show_takes()

    def _show_takes(self) -> None:
        self._list.clear()
        with self._list:
            try:
                takes = self._classroom.takes()
            except BharnetError as error:
                ui.label(str(error)).classes('text-sm text-amber-900')
                takes = {}
            for action, numbers in takes.items():
                with ui.row().classes('w-full items-center justify-between no-wrap'):
                    ui.label(f'{action} ({len(numbers)})').classes('font-bold break-all')
                    self._icon('delete', f'forget {action}', self._classroom.forget, action)
                for number in numbers:
                    self._show_take(action, number)
        self._teach_button.set_enabled(bool(takes))

    def _show_take(self, action: str, number: int) -> None:
        with ui.row().classes('w-full items-center gap-1 no-wrap'):
            ui.label(str(number)).classes('text-gray-500 w-6')
            try:
                data = base64.b64encode(self._classroom.strip(action, number)).decode()
                ui.image(f'data:image/jpeg;base64,{data}').classes('grow rounded').mark('strip')
            except BharnetError as error:
                ui.label(str(error)).classes('grow text-sm text-amber-900 break-all')
            self._icon('replay', 'record it again', self._classroom.redo, action, number)
            self._icon('close', 'delete it', self._classroom.delete, action, number)

    def _icon(self, icon: str, tip: str, step: Callable[..., None], *given: object) -> None:
        button = ui.button(icon=icon, on_click=lambda: self._do(step, *given))
        button.props('flat dense round size=sm').tooltip(tip)

    async def _toggle(self) -> None:
        if self._classroom.is_recording:
            await self._do(self._classroom.stop)
        else:
            takes = int(self._takes.value or TAKES)
            await self._do(self._classroom.record, self._action.value or '', takes)

    async def _do(self, step: Callable[..., None], *given: object) -> None:
        try:
            await asyncio.to_thread(step, *given)
        except (BharnetError, ValueError) as error:
            ui.notify(str(error), type='negative', multi_line=True)

    async def _teach(self) -> None:
        self._teach_button.disable()
        try:
            verdict = await asyncio.to_thread(self._classroom.teach, self._words.value)
        except (BharnetError, ValueError) as error:
            ui.notify(str(error), type='negative', multi_line=True)
        else:
            self._verdict.clear()
            with self._verdict:
                for line in verdict.lines:
                    ui.label(line)
        finally:
            self._teach_button.enable()
