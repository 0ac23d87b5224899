"""The plot of a benchmark."""

from pathlib import Path

import pytest

from bharnet_ros.config import BenchOptions
from bharnet_ros.tools.bench.report import check_bench


def test_a_plot_is_refused_before_anything_runs_where_nothing_can_draw_it(monkeypatch):
    monkeypatch.setattr('bharnet_ros.tools.bench.plot.find_spec', lambda name: None)
    with pytest.raises(ValueError, match='pip install matplotlib'):
        check_bench(BenchOptions((Path('a.mp4'),), plot=Path('a.png')))
