import matplotlib
import pytest

pytest.importorskip('anyascii', reason='plots need it')

from bharnet_ros.training import lettering
from bharnet_ros.training.lettering import missing_letters, readable


@pytest.fixture(autouse=True)
def usual_fonts():
    with matplotlib.rc_context():
        yield


def test_letters_that_the_usual_font_has_stay(capsys):
    labels = ['thank-you', 'año nuevo', 'привет', 'γεια', 'a b\nc']
    assert readable(labels) == labels and capsys.readouterr().out == ''


def test_letters_that_no_font_has_become_latin_ones_and_that_is_said(capsys, monkeypatch):
    monkeypatch.setattr(lettering.font_manager.fontManager, 'ttflist', [])
    shown = readable(['yes', '안녕', '谢谢'])
    assert shown == ['yes', 'AnNyeong', 'XieXie']
    said = capsys.readouterr().out
    assert 'Latin' in said and 'AnNyeong for 안녕' in said and len(said.splitlines()) == 1


def test_an_installed_font_that_has_them_is_taken(capsys):
    symbol = '\u23b8'
    fonts = {
        entry.name
        for entry in lettering.font_manager.fontManager.ttflist
        if ord(symbol) in lettering.letters_of(entry.fname)
    }
    assert fonts, 'matplotlib brings fonts with this symbol'
    matplotlib.rcParams['font.family'] = ['cmr10']  # which lacks it
    assert missing_letters([symbol]) == {symbol}
    assert readable([symbol]) == [symbol] and capsys.readouterr().out == ''
    assert matplotlib.rcParams['font.family'][-1] in fonts
