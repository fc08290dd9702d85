import io
import sys
from pathlib import Path

import pytest
from box_formats import call, csv_text, write_images
from mmengine.config import Config

from centernet_plugin.datasets.converters.command import counting, write_config
from centernet_plugin.errors import UserInputError

SCRIPT = 'dataset_converters/csv_to_coco.py'


@pytest.fixture
def table(images, tmp_path, monkeypatch):
    """Converts a table in a folder of its own; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def table(*args, content=None, folder=images):
        (tmp_path / 'set.csv').write_text(content or csv_text(), encoding='utf-8')
        return call(SCRIPT, 'set.csv', '--images', folder, '--out', 'json', *args)

    return table


def test_summary_without_config(table):
    code, out, err = table()
    assert (code, err) == (0, '')
    assert out.splitlines() == [
        'json/instances_set.json: 4 images (1 without objects), 5 boxes',
        '  class       set',
        '  guinea pig    1',
        '  cat           3',
        '  Zürich        1',
        out.splitlines()[5],
        'next: python tools/analysis_tools/check_dataset.py CONFIG',
    ]
    assert "classes=('guinea pig', 'cat', 'Zürich')), num_classes=3" in out.splitlines()[5]


def test_config_that_is_there_stays(table, tmp_path):
    (tmp_path / 'mine.py').write_text('# mine')
    code, out, _ = table('--config', 'mine.py')
    assert code == 0 and 'config: mine.py was there and stays as it is' in out
    assert (tmp_path / 'mine.py').read_text() == '# mine'


def test_config_of_one_split_says_so(table, tmp_path):
    assert table('--config', 'deep/mine.py')[0] == 0
    text = (tmp_path / 'deep/mine.py').read_text(encoding='utf-8')
    assert text.startswith("# Trained and validated on the same images, 'set': divide them by")
    config = Config.fromfile(tmp_path / 'deep/mine.py')
    assert config.train_dataloader.batch_size == 4, 'as many as there are, or none would be full'
    assert config.metainfo.classes == ('guinea pig', 'cat', 'Zürich')


@pytest.mark.parametrize(
    'names',
    [
        ('x\nopen("ran", "w")  # "\'', 'y'),
        ("'], x=open('ran', 'w'), y=['", '"""'),
        ('{{ fileDirname }}', 'y'),
        # MMEngine replaces this by the end of a string and a backslash, so that code follows.
        ('{{$NOPE:.*\\}}', ', open("ran", "w") )) #'),
    ],
)
def test_no_name_becomes_code(tmp_path, monkeypatch, names):
    """Names of classes, splits and folders are other people's; a config is run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'base.py').write_text('')
    splits = {names[0]: (f'{names[1]}.json', dict(images=[])), names[1]: ('b.json', {})}
    args = 'mine.py', 'base.py', names, names[0], splits
    if '{{' in names[0]:
        with pytest.raises(UserInputError, match='mine.py.: names of classes .* rename them'):
            write_config(*args)
        assert not Path('mine.py').exists()
    else:
        assert write_config(*args)
        config = Config.fromfile('mine.py')
        assert config.metainfo.classes == names
        assert config.train_dataloader.dataset.data_prefix.img == names[0]
    assert not Path('ran').exists()


def test_classes_from_a_file(table, tmp_path):
    (tmp_path / 'names.csv').write_text('cat,1\nZürich,0\n', encoding='utf-8')
    code, out, _ = table('--classes', 'names.csv')
    assert code == 0 and "classes=('Zürich', 'cat')" in out
    assert "dropped: 1 box of a class that --classes does not name ('guinea pig' in line 2" in out
    (tmp_path / 'names.csv').write_text('cat,1\ndog,3\n')
    code, _, err = table('--classes', 'names.csv')
    assert code == 2 and "the classes of 'names.csv' are not numbered 0 to 1" in err


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--classes', 'cat', 'cat'], "--classes names the class 'cat' twice"),
        (['--config', 'mine.txt'], "--config 'mine.txt' has to end with .py"),
        (['--columns', 'image'], '--columns image is not KEY=NAME'),
        (['--val-fraction', '20'], '--val-fraction has to lie between 0 and 1'),
        (['--delimiter', 'tab'], 'neither a header'),
        (['--config', '/dev/null/x.py'], "cannot write the config '/dev/null/x.py'"),
    ],
)
def test_mistakes_are_one_sentence(table, args, message):
    code, _, err = table(*args)
    assert code == 2 and message in err
    assert err.startswith('error: ') and err.count('\n') == 1


def test_terminal_that_cannot_write_a_name(table, monkeypatch):
    """A class name that ASCII has not is no reason to fail after all is read."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
    monkeypatch.setattr('contextlib.redirect_stdout', lambda _: _Redirect(stream))
    assert table()[0] == 0
    stream.flush()
    assert b'Z\\xfcrich' in stream.buffer.getvalue()


class _Redirect:
    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        self.before, sys.stdout = sys.stdout, self.stream

    def __exit__(self, *error):
        sys.stdout = self.before


def test_count_is_for_persons(monkeypatch, capsys):
    with counting('reading') as advance:
        for _ in range(120):
            advance(1)
    assert capsys.readouterr().err == ''
    monkeypatch.setenv('FORCE_COLOR', '1')
    with counting('reading') as advance:
        for _ in range(120):
            advance(1)
    assert 'reading' in capsys.readouterr().err


def test_images_may_be_of_any_suffix(table, tmp_path):
    folder = write_images(tmp_path / 'odd', {'x.WEBP': (20, 20), 'y.TIFF': (20, 20)})
    content = 'x.WEBP,1,1,9,9,cat\ny,1,1,9,9,cat\n'
    code, out, _ = table(content=content, folder=folder)
    assert code == 0 and '2 images (0 without objects), 2 boxes' in out
