"""Parameters and operations of networks."""

from bharnet_ros.training.networks.backbones import GcnConfig
from bharnet_ros.training.networks.bharnet import ModelConfig
from bharnet_ros.training.tools.complexity import complexity, variants
from support.training import STEPS, TINY


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
