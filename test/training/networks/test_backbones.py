"""Networks of one stream: their graph, published sizes and operations."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.layouts import NTU_25, Layout
from bharnet_ros.training.networks.backbones import GcnConfig, GcnStream
from bharnet_ros.training.networks.bharnet import ModelConfig
from bharnet_ros.training.networks.graph import spatial_partition
from bharnet_ros.training.tools.complexity import complexity, variants
from support.training import STEPS, TINY


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


TEN = {'channels': (64,) * 4 + (128,) * 3 + (256,) * 3, 'strides': (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)}


# Counted from the public release of DeGCN for 25 joints (docs/model.md).
DEGCN_BLOCKS = [9_627, 13_132, 13_132, 13_132, 40_716, 45_116, 45_116, 152_252, 171_292, 171_292]


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_degcn_has_the_published_size_block_by_block():
    stream = GcnStream(NTU_25, 3, GcnConfig('degcn', **TEN))
    assert [count(block) for block in stream.blocks] == DEGCN_BLOCKS
    classifier = 256 * 120 + 120
    assert round((count(stream) + classifier) / 1e6, 3) == 0.706


def test_ctrgcn_has_the_published_size():
    stream = GcnStream(NTU_25, 3, GcnConfig('ctrgcn', **TEN))
    assert round((count(stream) + 256 * 120 + 120) / 1e6, 2) == 1.46


@pytest.mark.parametrize('backbone', ['stgcnpp', 'ctrgcn', 'degcn'])
def test_every_backbone_halves_time_where_it_is_told(backbone):
    stream = GcnStream(NTU_25, 3, GcnConfig(backbone, (8, 12, 16), (1, 2, 2)))
    x = torch.randn(2, 3, 16, 25, 2)
    assert stream(x).shape == (2, 16, 4, 25, 2)
    stream(x).square().sum().backward()
    assert [name for name, p in stream.named_parameters() if p.grad is None] == []


def test_branches_share_the_stem_and_nothing_else():
    stream = GcnStream(NTU_25, 3, GcnConfig('stgcnpp', (8, 8, 16), (1, 1, 2)), branch_blocks=2)
    a, b = stream.branch(), stream.branch()
    assert len(stream.blocks) == 1 and len(a) == len(b) == 2
    x = stream(torch.randn(2, 3, 8, 25, 1))
    assert a(x).shape == (2, 16, 4, 25, 1)
    assert not torch.equal(a(x), b(x))


def test_macs_are_those_of_a_network_counted_by_hand():
    """One block of 1x1 convolutions and graph products; the rest of the layers is counted too."""
    config = ModelConfig(hand=None, body=GcnConfig('stgcnpp', (8,), (1,)))
    T, V, C = 8, 11, 7
    graph = T * V * C * 24 + 3 * 8 * T * V * V
    skip = T * V * C * 8
    temporal = T * V * (4 * 8 * 2 + 2 * 2 * 2 * 5)
    gather = 2 * 33 * V * 3 * T  # for the joints, and for their frame of reference
    counted = complexity('tiny', config, 3, T, 1)
    assert counted.macs == graph + skip + temporal + gather + 8 * 3


def test_all_variants_of_a_model_can_be_counted():
    rows = {
        name: complexity(name, config, 10, STEPS, 1)
        for name, config in variants(ModelConfig(body=TINY, hand=TINY)).items()
    }
    assert rows['body only'].parameters + rows['hands only'].parameters == rows['base'].parameters
    assert rows['base'].parameters < rows['P'].parameters < rows['P and E'].parameters
    assert rows['base'].macs < rows['unified graph'].macs
