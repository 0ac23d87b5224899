"""Markers of the recording, as RViz and Foxglove get them."""

import json

import numpy as np
import pytest
import yaml
from visualization_msgs.msg import Marker, MarkerArray

from bharnet_ros.config import CameraConfig
from support.paths import ROOT
from support.ros import DEMO_BAG, demo_messages, graph, stamp_of

pytestmark = pytest.mark.graph


@pytest.fixture(scope='module')
def drawn():
    """Play the first word of the recording; give the arrays that were published."""
    with graph() as ros:
        arrays = ros.collect(MarkerArray, 'markers')
        node = ros.start('marker_node', field_of_view=50.0)
        ros.start('recognition_node', autostart=True)
        ros.wait(lambda: ros.node.count_subscribers('actions') == 1, 'marker_node')
        ros.next_diagnosis('recognition_node', b'\x01', 'no keypoints yet')
        player = ros.start('replay_node', bag=DEMO_BAG, speed=2.0, subscribers=2)
        ros.wait(
            lambda: any('coffee' in text_of(array) for array in arrays), 'a word above a head'
        )
        assert player.stop() == 0, player.log
        ros.next_diagnosis('marker_node', b'\x00', 'people on markers')
        broken = demo_messages()[0]
        broken.body = broken.body[:-1]
        publisher = ros.node.create_publisher(type(broken), 'keypoints', 10)
        ros.wait(lambda: publisher.get_subscription_count() == 2, 'both nodes')
        publisher.publish(broken)
        ros.next_diagnosis('marker_node', b'\x01', 'keypoints refused')
        publisher.publish(demo_messages()[0])
        ros.next_diagnosis('marker_node', b'\x00', 'people on markers')
        assert node.stop() == 0, node.log
        yield arrays


def text_of(array: MarkerArray) -> str:
    [text] = [m.text for m in array.markers if m.type == Marker.TEXT_VIEW_FACING]
    return text


def test_a_person_is_lines_in_metres_and_what_they_do_in_words(drawn):
    stamps = {stamp_of(message) for message in demo_messages()}
    for array in drawn:
        assert {stamp_of(marker) for marker in array.markers} <= stamps
        assert text_of(array).split()[0] == 'bdemo'
        body = next(m for m in array.markers if m.ns == 'bdemo/body')
        points = np.array([[p.x, p.y, p.z] for p in body.points])
        assert len(points) % 2 == 0 and len(points) > 20
        assert (points[:, 2] > 0.3).all() and np.ptp(points, axis=0).max() < 2.5
        assert len({(m.ns, m.id) for m in array.markers}) == len(array.markers)


def test_hands_are_drawn_when_they_are_seen(drawn):
    names = {marker.ns for array in drawn for marker in array.markers}
    assert names >= {'bdemo/body', 'bdemo/right_hand', 'bdemo/text'}


def test_the_files_for_rviz_and_foxglove_name_our_topics_and_frame():
    rviz = yaml.safe_load((ROOT / 'config' / 'bharnet.rviz').read_text())['Visualization Manager']
    assert rviz['Global Options']['Fixed Frame'] == CameraConfig().source.frame_id
    topics = {display['Topic']['Value'] for display in rviz['Displays'] if 'Topic' in display}
    assert topics == {'/markers', '/annotated'}
    layout = json.loads((ROOT / 'config' / 'foxglove.json').read_text())
    panels = set()

    def walk(node: str | dict) -> None:
        if isinstance(node, str):
            panels.add(node)
        else:
            walk(node['first'])
            walk(node['second'])

    walk(layout['layout'])
    assert panels == set(layout['configById']), 'every panel is placed, and set up'
