"""Durations of stages."""

from bharnet_ros.tools.bench.stages import quantiles


def test_quantiles_name_their_count():
    assert quantiles([1.0, 2.0, 3.0]) == {'p50': 2.0, 'p95': 2.9, 'p99': 2.98, 'n': 3}
