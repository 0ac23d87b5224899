"""The skeleton's graph."""

import numpy as np

from bharnet_ros.layouts import Layout
from bharnet_ros.training.networks.graph import spatial_partition


def test_a_graph_is_parted_into_self_inward_and_outward_links():
    chain = Layout('chain', ('a', 'b', 'c'), (('b', 'a'), ('c', 'a')))
    np.testing.assert_allclose(
        spatial_partition(chain),
        [
            [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            [[0, 1, 1], [0, 0, 0], [0, 0, 0]],
            [[0, 0, 0], [0.5, 0, 0], [0.5, 0, 0]],
        ],
    )
