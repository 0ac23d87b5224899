"""The page: what it is made of, and how it follows what is watched, for each viewer."""

import asyncio

import numpy as np
from nicegui import ui

from bharnet_ros.errors import BharnetError
from bharnet_ros.outputs.page import BARS
from bharnet_ros.studio.choice import Choice
from bharnet_ros.studio.classroom import Classroom
from bharnet_ros.studio.lesson_card import LessonCard
from bharnet_ros.studio.watch import HISTORY, Event, Person, View, Watch
from bharnet_ros.studio.words import STATES, ranking, told
from bharnet_ros.types import SECOND

PICTURE = '/picture'
PICTURE_SECONDS, VIEW_SECONDS = 0.1, 0.25  # between two looks
SILENT = '#a0a6b0'  # colour of what is no action
CURVES = 5  # labels that are drawn, the most probable ones
CARD = 'w-full shadow-sm rounded-lg'


class Page:
    """What one viewer sees."""

    def __init__(self, watch: Watch, source: str, choice: Choice, classroom: Classroom):
        """Build it into the page that is being made.

        Args:
            watch: what is shown.
            source: what is watched, for people.
            choice: of models.
            classroom: where actions are taught.

        """
        self._watch, self._choice, self._classroom = watch, choice, classroom
        self._colours: dict[str, str] = {}
        self._switching = False
        self._shown = 0  # number of the picture
        self._cards: dict[str, PersonCard] = {}
        self._events: tuple[Event, ...] | None = None
        self._build(source)
        ui.timer(PICTURE_SECONDS, self._look)
        ui.timer(VIEW_SECONDS, self._follow)

    def _build(self, source: str) -> None:
        ui.query('.nicegui-content').classes('p-2 sm:p-4 gap-3 max-w-screen-2xl mx-auto')
        with ui.row().classes('w-full items-center gap-x-6 gap-y-0'):
            ui.label('bharnet studio').classes('text-xl font-bold')
            self._model = ui.select([], label='model').mark('model').classes('min-w-40')
            self._follow_choice()
            self._model.on_value_change(self._switch)
            self._skeleton = ui.switch('skeleton alone', value=not self._watch.pictures)
            self._skeleton.set_enabled(self._watch.pictures)
        with ui.row().classes('w-full gap-x-6 gap-y-0 text-sm text-gray-600'):
            self._source = ui.label(source).classes('break-all')
            self._numbers = ui.label().mark('numbers')
        self._worries = ui.label().mark('worries').classes('w-full rounded px-3 py-1 text-sm')
        with ui.element('div').classes('grid grid-cols-1 lg:grid-cols-5 gap-3 w-full'):
            with ui.column().classes('lg:col-span-3 gap-3 min-w-0'):
                self._picture = ui.interactive_image().classes('w-full rounded-lg bg-black')
                self._chart = ui.echart(_chart()).classes('w-full h-64')
            with ui.column().classes('lg:col-span-2 gap-3 min-w-0'):
                self._people = ui.column().classes('w-full gap-3')
                with ui.card().classes(CARD):
                    ui.label('Events').classes('font-bold')
                    self._list = ui.column().classes('w-full gap-1 max-h-64 overflow-y-auto')
                self._lesson = LessonCard(self._classroom)

    async def _switch(self) -> None:
        name = self._model.value
        if name in (None, self._choice.present):
            return
        self._switching = True
        try:
            await asyncio.to_thread(self._choice.take, name)
        except (BharnetError, ValueError) as error:
            ui.notify(str(error), type='negative', multi_line=True)
        finally:
            self._switching = False

    def _follow_choice(self) -> None:
        if self._switching:  # what was chosen is not at work yet
            return
        names, present = self._choice.names(), self._choice.present
        if self._model.options != names or self._model.value != present:
            self._model.set_options(names, value=present)

    def _look(self) -> None:
        number = self._watch.frames
        if number != self._shown:
            self._shown = number
            alone = int(self._skeleton.value)
            self._picture.set_source(f'{PICTURE}?skeleton={alone}&frame={number}')

    def _follow(self) -> None:
        view = self._watch.view()
        self._follow_choice()
        self._lesson.follow(self._watch.model.model_id)
        self._numbers.set_text(
            f'{view.rate:.0f} images a second, {view.latency * 1e3:.0f} ms for one, '
            f'{view.dropped} dropped'
        )
        bad = bool(view.worries)
        self._worries.set_text('; '.join(view.worries) if bad else 'all is well')
        self._worries.classes(
            add='bg-amber-100 text-amber-900' if bad else 'bg-green-50 text-green-900',
            remove='bg-green-50 text-green-900' if bad else 'bg-amber-100 text-amber-900',
        )
        self._follow_people(view)
        self._follow_events(view.events)
        self._follow_chart(view)

    def _follow_people(self, view: View) -> None:
        ids = [person.person_id for person in view.people]
        if ids != list(self._cards):
            self._people.clear()
            with self._people:
                self._cards = {name: PersonCard(name) for name in ids}
                if not ids:
                    ui.label('nobody is in the picture').classes('text-gray-500')
        for person in view.people:
            self._cards[person.person_id].follow(person, view, self._watch)

    def _follow_events(self, events: tuple[Event, ...]) -> None:
        if events == self._events:
            return
        self._events = events
        self._list.clear()
        with self._list:
            for event in events:
                started, ended = event.started, event.ended
                span = (
                    f'for {(ended.stamp - started.start) / SECOND:.1f} s'
                    if ended is not None
                    else 'goes on'
                )
                with ui.row().classes('w-full gap-2 items-baseline no-wrap'):
                    ui.label(_clock(started.stamp)).classes('text-gray-500 tabular-nums')
                    ui.label(started.label).classes('font-bold')
                    ui.label(f'{started.confidence:.0%}')
                    ui.label(f'{started.person_id} {span}').classes('text-gray-500')
            if not events:
                ui.label('none yet').classes('text-gray-500')

    def _follow_chart(self, view: View) -> None:
        series = []
        if view.people:
            person = view.people[0]
            contract = self._watch.model.contract
            seconds = [round((stamp - view.stamp) / SECOND, 2) for stamp in person.stamps]
            best = person.probabilities.max(axis=0, initial=0.0)
            for k in sorted(np.argsort(best)[::-1][:CURVES]):
                label = view.labels[k]
                values = person.probabilities[:, k].round(3).tolist()
                series.append(
                    {
                        'type': 'line',
                        'name': told(label, contract),
                        'showSymbol': False,
                        'color': self._colour(label, label in (contract.idle, contract.unknown)),
                        'data': list(map(list, zip(seconds, values, strict=True))),
                    }
                )
        if series:
            series[0]['markLine'] = {
                'silent': True,
                'symbol': 'none',
                'label': {'formatter': 'starts', 'position': 'insideStartTop'},
                'lineStyle': {'color': '#888', 'type': 'dashed'},
                'data': [{'yAxis': view.threshold}],
            }
        self._chart.options['series'] = series
        self._chart.update()

    def _colour(self, label: str, silent: bool) -> str:
        """Return the colour of a label, which it keeps."""
        return (
            SILENT
            if silent
            else self._colours.setdefault(label, BARS[len(self._colours) % len(BARS)])
        )


class PersonCard:
    """What is believed of one person, and why."""

    def __init__(self, person_id: str):
        with ui.card().classes(CARD + ' gap-1'):
            with ui.row().classes('w-full items-baseline justify-between'):
                self._title = ui.label().classes('text-2xl font-bold').mark('title')
                ui.label(person_id).classes('text-gray-500')
            self._confidence = _bar('confidence', 'green')
            self._fill = _bar('window', 'amber')
            self._why, self._answers, self._seen = (
                ui.label().classes('text-sm').mark(mark) for mark in ('why', 'answers', 'seen')
            )

    def follow(self, person: Person, view: View, watch: Watch) -> None:
        """Show what is known now."""
        action = person.action
        self._title.set_text(action.label if action is not None else STATES[person.state])
        self._confidence.set_value(action.confidence if action is not None else 0.0)
        self._fill.set_value(person.fill)
        if not len(person.probabilities):
            self._why.set_text('the window is not full enough for a first decision')
            return
        self._why.set_text(f'Why: {person.why}')
        contract = watch.model.contract
        if len(contract.labels) == person.probabilities.shape[1]:
            self._answers.set_text(f'Answers: {ranking(person.probabilities[-1], contract)}')
        self._seen.set_text(f'Seen: {person.seen}')


def _bar(name: str, colour: str) -> ui.linear_progress:
    with ui.row().classes('w-full items-center gap-2 no-wrap'):
        ui.label(name).classes('text-xs text-gray-500 w-20')
        return ui.linear_progress(0.0, show_value=False, color=colour).props('instant-feedback')


def _clock(stamp: int) -> str:
    minutes, seconds = divmod(stamp / SECOND, 60)
    return f'{int(minutes) % 60:02d}:{seconds:04.1f}'


def _chart() -> dict:
    return {
        'animation': False,
        'grid': {'left': 40, 'right': 12, 'top': 36, 'bottom': 24},
        'legend': {'top': 0, 'type': 'scroll'},
        'xAxis': {'type': 'value', 'min': -HISTORY, 'max': 0},
        'yAxis': {'type': 'value', 'min': 0, 'max': 1},
        'series': [],
    }
