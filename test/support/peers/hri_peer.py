"""Prints what REP-155 says of one body as JSON lines, by CycloneDDS and without any ROS.

Usage: hri_peer.py DOMAIN BODY. The types are written by hand from the REP's definitions. Ends at
SIGINT.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass

from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import array, float32, sequence, uint8
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from dds_peer import RELIABLE, Header, until_interrupted  # it lies beside this program


@dataclass
class IdsList(IdlStruct, typename='hri_msgs::msg::dds_::IdsList_'):
    header: Header
    ids: sequence[str]


@dataclass
class Point(IdlStruct, typename='hri_msgs::msg::dds_::NormalizedPointOfInterest2D_'):
    x: float32
    y: float32
    c: float32


@dataclass
class Skeleton2D(IdlStruct, typename='hri_msgs::msg::dds_::Skeleton2D_'):
    header: Header
    skeleton: array[Point, 18]


@dataclass
class Gesture(IdlStruct, typename='hri_msgs::msg::dds_::Gesture_'):
    header: Header
    gesture: uint8


def main() -> None:
    participant = DomainParticipant(int(sys.argv[1]))
    body = f'{sys.argv[2]}/'
    readers = {
        topic: DataReader(
            participant, Topic(participant, f'rt/humans/bodies/{topic}', kind), RELIABLE
        )
        for topic, kind in (
            ('tracked', IdsList),
            (f'{body}skeleton2d', Skeleton2D),
            (f'{body}gesture', Gesture),
        )
    }
    while True:
        for topic, reader in readers.items():
            for message in reader.take(N=100):
                if isinstance(message, IdsList | Skeleton2D | Gesture):  # not: a writer has gone
                    line = {'topic': topic.removeprefix(body)} | asdict(message)
                    print(json.dumps(line), flush=True)
        time.sleep(0.02)


if __name__ == '__main__':
    until_interrupted(main)
