"""marker_node: people and what they do as markers, for RViz and Foxglove."""

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from rclpy.node import Node
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from bharnet_ros.client import ActionListener
from bharnet_ros.config import MarkerConfig
from bharnet_ros.layouts import DETECTOR_LAYOUTS, Layout
from bharnet_ros.nodes.diagnostics import OK, WARN, Report, start_diagnostics
from bharnet_ros.nodes.keypoints_input import KeypointsInput
from bharnet_ros.nodes.parameters import ParamTable
from bharnet_ros.nodes.program import run_program
from bharnet_ros.outputs.draw import COLOURS, MIN_VISIBILITY
from bharnet_ros.outputs.space import in_space
from bharnet_ros.types import Keypoints

SHOWN = 500_000_000  # nanoseconds that a marker stays if no newer one comes
THICK = {'body': 0.02, 'left_hand': 0.006, 'right_hand': 0.006}  # metres
LETTER = 0.12  # metres
ABOVE = 0.2  # metres from the nose to what is written


class MarkerNode(Node):
    """Publishes a skeleton for each person, and above it what the person does now."""

    def __init__(self, **kwargs):
        super().__init__('marker_node', **kwargs)
        self.config: MarkerConfig = ParamTable(self, MarkerConfig).read(MarkerConfig)
        self._drawn = 0
        self._markers = self.create_publisher(MarkerArray, 'markers', 10)
        self._people = ActionListener(self)
        self._input = KeypointsInput(self, self._on_keypoints)
        start_diagnostics(self, self._report)

    def _on_keypoints(self, person: Keypoints, header: Header) -> None:
        if person.body is None:
            return  # what was drawn of people goes by itself
        does = [action.label for action in self._people.now(person=person.person_id)]
        text = ' '.join([person.person_id, *does])
        markers = markers_of(person, header, text, self.config.field_of_view)
        self._markers.publish(MarkerArray(markers=markers))
        self._drawn += 1

    def _report(self) -> Report:
        values = {'drawn': self._drawn, **self._input.values}
        if self._input.problem:
            return Report(WARN, self._input.problem, values)
        return Report(OK, 'people on markers', values)


def markers_of(person: Keypoints, header: Header, text: str, field_of_view: float) -> list[Marker]:
    """Return a marker of lines for body and hands, and one of text; see `outputs.space`."""
    layout, found = DETECTOR_LAYOUTS[person.layout], in_space(person, field_of_view)
    markers = []
    for name, points in found.items():
        part = layout.body if name == 'body' else layout.hand
        marker = _marker(header, f'{person.person_id}/{name}', Marker.LINE_LIST)
        marker.scale.x = THICK[name]
        blue, green, red = (value / 255 for value in COLOURS[name])
        marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
        marker.points = _lines(points, part, getattr(person, name))
        markers.append(marker)
    written = _marker(header, f'{person.person_id}/text', Marker.TEXT_VIEW_FACING)
    nose = found['body'][layout.body.index('nose')]
    # y points down in the optical frame.
    written.pose.position = _point(nose - np.array([0, ABOVE, 0]))
    written.scale.z, written.text = LETTER, text
    written.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
    return [*markers, written]


def _marker(header: Header, name: str, kind: int) -> Marker:
    marker = Marker(header=header, ns=name, id=0, type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    marker.lifetime = Duration(nanosec=SHOWN)
    return marker


def _lines(points: np.ndarray, layout: Layout, found: np.ndarray) -> list[Point]:
    """Return both ends of each bone of which both joints are seen."""
    seen = found[:, 3] >= MIN_VISIBILITY if found.shape[1] > 3 else np.ones(len(found), bool)
    ends = [joint for a, b in layout.edges if seen[a] and seen[b] for joint in (a, b)]
    return [_point(points[joint]) for joint in ends]


def _point(place: np.ndarray) -> Point:
    x, y, z = place.tolist()
    return Point(x=x, y=y, z=z)


def main() -> None:
    """Run the node as a program."""
    run_program(lambda _: [MarkerNode()], {'marker_node': MarkerConfig})
