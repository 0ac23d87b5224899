"""A behaviour tree (py_trees) that waits for an order and serves it: `pip install py_trees`.

python3 examples/behaviour_tree.py --ros-args -p order:=coffee
"""

import py_trees
import rclpy
from py_trees.common import Status
from rclpy.node import Node

from bharnet_ros.client import ActionListener, spin


class SomebodyDoes(py_trees.behaviour.Behaviour):
    """Succeeds once somebody has done an action since the behaviour was entered."""

    def __init__(self, people: ActionListener, label: str):
        super().__init__(f'somebody does {label}')
        self._people, self._label = people, label
        self._board = self.attach_blackboard_client()
        self._board.register_key('customer', py_trees.common.Access.WRITE)

    def initialise(self) -> None:
        """Forget what was done before."""
        self._actions = self._people.stream(self._label)

    def update(self) -> Status:
        """Look without waiting."""
        action = self._actions.take()
        if action is not None:
            self._board.customer = action.person_id
        return Status.RUNNING if action is None else Status.SUCCESS


def main() -> None:
    """Tick the tree ten times a second, until Ctrl-C."""
    rclpy.init()
    node = Node('waiter')
    order = node.declare_parameter('order', 'coffee').value
    serve = py_trees.behaviours.Success('serve')
    tree = py_trees.composites.Sequence(
        'take orders', memory=True, children=[SomebodyDoes(ActionListener(node), order), serve]
    )

    def tick() -> None:
        tree.tick_once()
        if tree.status is Status.SUCCESS:
            customer = py_trees.blackboard.Blackboard.get('/customer')
            node.get_logger().info(f'{order} for {customer}')

    node.create_timer(0.1, tick)
    spin(node)


if __name__ == '__main__':
    main()
