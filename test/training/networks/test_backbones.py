"""Networks of one stream: their graph, published sizes and operations."""

import pytest
import torch

from bharnet_ros.layouts import NTU_25
from bharnet_ros.training.networks.backbones import GcnConfig, GcnStream

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
