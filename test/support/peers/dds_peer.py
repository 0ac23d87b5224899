"""Prints the actions of a domain as JSON lines, by CycloneDDS and without any ROS.

The types are written by hand from msg/Action.msg: whoever knows only the message definition and
the DDS standard can read the topic. Ends at SIGINT.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import float32, int32, uint8, uint32
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration


@dataclass
class Time(IdlStruct, typename='builtin_interfaces::msg::dds_::Time_'):
    sec: int32
    nanosec: uint32


@dataclass
class Duration(IdlStruct, typename='builtin_interfaces::msg::dds_::Duration_'):
    sec: int32
    nanosec: uint32


@dataclass
class Header(IdlStruct, typename='std_msgs::msg::dds_::Header_'):
    stamp: Time
    frame_id: str


@dataclass
class Action(IdlStruct, typename='bharnet_ros::msg::dds_::Action_'):
    header: Header
    person_id: str
    event_id: uint32
    label: str
    class_id: int32
    confidence: float32
    phase: uint8
    start_time: Time
    latency: Duration


RELIABLE = Qos(
    Policy.Reliability.Reliable(duration(seconds=1)),
    Policy.Durability.Volatile,
    Policy.History.KeepLast(1000),
)


def until_interrupted(main: Callable[[], None]) -> None:
    """Run a peer until SIGINT."""
    try:
        main()
    except KeyboardInterrupt:
        os._exit(0)  # CycloneDDS is not taken down: nobody needs that here


def main() -> None:
    participant = DomainParticipant(int(sys.argv[1]))
    reader = DataReader(participant, Topic(participant, 'rt/actions', Action), RELIABLE)
    matched = False
    while True:
        if not matched and reader.get_matched_publications():
            matched = True
            print('matched', flush=True)
        for action in reader.take(N=100):
            print(json.dumps(asdict(action)), flush=True)
        time.sleep(0.02)


if __name__ == '__main__':
    until_interrupted(main)
