"""Adjacency matrices of skeleton graphs."""

import numpy as np

from bharnet_ros.layouts import Layout


def spatial_partition(layout: Layout) -> np.ndarray:
    """Return the (3, V, V) float32 adjacency of ST-GCN's spatial partition.

    Subsets: self-links, child to parent (inward), parent to child (outward), the last two
    normalised by column degree. Yan, Xiong, Lin, AAAI 2018, section 3.3, in the form that
    CTR-GCN and DeGCN use.
    """
    V = len(layout)
    inward = np.zeros((V, V), np.float32)
    for child, parent in layout.edges:
        inward[parent, child] = 1.0

    def normalised(matrix: np.ndarray) -> np.ndarray:
        degree = matrix.sum(0, keepdims=True)
        return matrix / np.where(degree > 0, degree, 1)

    return np.stack([np.eye(V, dtype=np.float32), normalised(inward), normalised(inward.T)])
