"""The listener for applications, fed by hand; test/graph/test_examples.py has the real nodes."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile

from bharnet_ros.client import ActionListener, action_from_msg
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import LabelMap as LabelMapMsg
from bharnet_ros.types import Phase
from support.ros import own_context

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PATIENCE = 20.0  # seconds


class Stage:
    """A node that listens, and another that publishes actions as recognition does."""

    def __init__(self, context: rclpy.Context):
        self.node = rclpy.create_node('application', context=context)
        self.other = rclpy.create_node('recognition', context=context)
        self._publishers, self._events = {}, 0

    def publisher(self, namespace: str = ''):
        if namespace not in self._publishers:
            topic = f'{namespace}/actions' if namespace else 'actions'
            publisher = self.other.create_publisher(ActionMsg, topic, 10)
            self._publishers[namespace] = publisher
            until(lambda: publisher.get_subscription_count() == 1)
        return self._publishers[namespace]

    def say(
        self,
        label: str,
        phase: Phase = Phase.STARTED,
        person: str = 'ann',
        namespace: str = '',
        **fields: object,
    ) -> None:
        self._events += phase is Phase.STARTED
        message = ActionMsg(
            person_id=person, label=label, phase=int(phase), event_id=self._events, **fields
        )
        message.header.stamp.sec, message.confidence = self._events, 0.93
        self.publisher(namespace).publish(message)


@pytest.fixture(scope='module')
def context():
    with own_context() as context:
        yield context


@pytest.fixture
def stage(context):
    stage = Stage(context)
    yield stage
    stage.node.destroy_node()
    stage.other.destroy_node()


def until(predicate, pause=lambda: time.sleep(0.01)) -> None:
    end = time.monotonic() + PATIENCE
    while not predicate():
        assert time.monotonic() < end, 'it never came'
        pause()


def spin_until(stage: Stage, predicate) -> None:
    executor = SingleThreadedExecutor(context=stage.node.context)
    executor.add_node(stage.node)
    until(predicate, lambda: executor.spin_once(timeout_sec=0.02))
    executor.shutdown()


@pytest.fixture
def spinning(stage):
    """Give the stage while a thread spins its node, as in a program with asyncio."""
    executor = MultiThreadedExecutor(num_threads=2, context=stage.node.context)
    executor.add_node(stage.node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield stage
    executor.shutdown()
    thread.join(PATIENCE)


def test_callbacks_come_by_label_phase_and_person_in_order(stage):
    people = ActionListener(stage.node)
    hello, ends, bob, heard = [], [], [], []
    people.on('hello', hello.append)
    people.on(['hello', 'tea'], ends.append, phase=Phase.ENDED)
    people.on(phase=None, person='bob')(bob.append)
    people.on(None, heard.append, phase=None)
    for phase in Phase:
        stage.say('hello', phase)
        stage.say('tea', phase, 'bob')
    spin_until(stage, lambda: len(heard) == 6)
    assert [(a.label, a.phase) for a in hello] == [('hello', Phase.STARTED)]
    assert [a.label for a in ends] == ['hello', 'tea']
    assert [a.phase for a in bob] == list(Phase)
    assert [str(a) for a in hello] == ['ann hello started (93%)']
    assert f'{heard[-1].phase}' == 'ended' and f'{heard[-1].phase:>6}' == ' ended'

    people.off(hello.append)
    people.off(heard.append)
    people.on('tea', heard.append)
    stage.say('hello')
    stage.say('tea')
    spin_until(stage, lambda: len(heard) == 7)
    assert len(hello) == 1


def test_now_is_what_has_begun_and_not_ended_also_for_who_joins_late(stage):
    people = ActionListener(stage.node, forget_after=0.5)
    stage.say('hello', Phase.ONGOING)  # its start was before our time
    stage.say('tea', person='bob')
    spin_until(stage, lambda: len(people.now()) == 2)
    assert {(a.person_id, a.label) for a in people.now()} == {('ann', 'hello'), ('bob', 'tea')}
    assert [a.person_id for a in people.now('tea')] == ['bob']
    assert people.now(person='cem') == ()
    stage.say('hello', Phase.ENDED)
    spin_until(stage, lambda: len(people.now()) < 2)
    # A recognition that died says nothing more, not even that an action has ended.
    until(lambda: people.now() == ())


def test_several_namespaces_are_told_apart(stage):
    people = ActionListener(stage.node, ['left', '/far/right/'])
    heard = []
    people.on('hello', heard.append)
    assert not people.ready
    stage.say('hello', namespace='left')
    stage.say('hello', namespace='/far/right')
    spin_until(stage, lambda: len(heard) == 2)
    assert {a.namespace for a in heard} == {'left', '/far/right/'}
    assert len(people.now()) == 2  # two people with the id of one
    assert people.ready


def test_waiting_spins_a_node_that_nobody_spins(stage):
    people = ActionListener(stage.node)
    stage.publisher()
    timer = threading.Timer(0.2, stage.say, ['hello'])
    timer.start()
    assert people.wait_for('hello', timeout=PATIENCE).person_id == 'ann'
    began = time.monotonic()
    assert people.wait_for('hello', timeout=0.2) is None
    assert time.monotonic() - began < 2
    assert stage.node.executor is None


def test_a_timer_of_the_same_node_can_wait_for_an_action(spinning):
    people, found = ActionListener(spinning.node), []

    def wait() -> None:
        timer.cancel()
        found.append(people.wait_for('hello', PATIENCE))

    timer = spinning.node.create_timer(0.01, wait)
    spinning.publisher()
    until(lambda: timer.is_canceled())
    time.sleep(0.2)
    spinning.say('hello')
    until(lambda: found)
    assert found[0].label == 'hello'


def test_a_stream_keeps_what_comes_while_nobody_looks(spinning):
    people = ActionListener(spinning.node)
    with people.stream(['tea', 'coffee']) as orders:
        for label in ('tea', 'hello', 'coffee'):
            spinning.say(label)
        assert [orders.get(PATIENCE).label for _ in range(2)] == ['tea', 'coffee']
        assert orders.take() is None
    assert orders.get() is None  # closed: it does not wait for ever


def test_async_for_goes_through_actions_in_asyncio(spinning):
    people = ActionListener(spinning.node)
    spinning.publisher()

    async def listen() -> list[str]:
        orders, found = people.stream(), []
        spinning.say('tea')
        asyncio.get_running_loop().call_later(0.2, spinning.say, 'coffee')
        async for action in orders:
            found.append(action.label)
            if len(found) == 2:
                break
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(orders), 0.1)
        asyncio.get_running_loop().call_later(0.1, orders.close)
        return found + [action.label async for action in orders]

    assert asyncio.run(asyncio.wait_for(listen(), PATIENCE)) == ['tea', 'coffee']


def test_a_coroutine_of_rclpy_can_go_through_actions_too(stage):
    people, found = ActionListener(stage.node), []
    stage.publisher()
    executor = SingleThreadedExecutor(context=stage.node.context)
    executor.add_node(stage.node)

    async def listen() -> None:
        async for action in people.stream('tea'):
            found.append(action)
            return

    task = executor.create_task(listen)
    executor.spin_once(timeout_sec=0.1)
    stage.say('tea')
    until(task.done, lambda: executor.spin_once(timeout_sec=0.02))
    executor.shutdown()
    assert found[0].label == 'tea'


def test_labels_are_known_to_late_joiners_and_a_misspelt_one_is_told_once(stage, monkeypatch):
    told = []
    logger = SimpleNamespace(warning=lambda text, **_: told.append(text))
    monkeypatch.setattr(stage.node, 'get_logger', lambda: logger)
    latched = stage.other.create_publisher(LabelMapMsg, 'labels', LATCHED)
    latched.publish(
        LabelMapMsg(labels=['-', 'hello', 'tea', '?'], idle_class_id=0, unknown_class_id=3)
    )
    people = ActionListener(stage.node)
    people.on(['hello', 'helo'], print)
    spin_until(stage, lambda: people.labels)
    assert people.labels == ('hello', 'tea')
    people.on('helo', print)
    assert told == ["nobody will be seen doing 'helo': the model knows hello, tea"]


def test_an_action_of_another_version_is_left_out_and_told(stage, monkeypatch):
    with pytest.raises(ValueError):
        action_from_msg(ActionMsg(phase=9))
    told, heard = [], []
    logger = SimpleNamespace(warning=lambda text, **_: told.append(text))
    monkeypatch.setattr(stage.node, 'get_logger', lambda: logger)
    ActionListener(stage.node).on('tea', heard.append)
    stage.publisher().publish(ActionMsg(label='tea', phase=9))
    stage.say('tea')
    spin_until(stage, lambda: heard)
    assert len(heard) == 1
    assert 'another version' in told[0]
