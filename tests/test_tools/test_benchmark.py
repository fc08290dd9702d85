"""The command line, its file of results and the page made of it."""

import json
import platform
from pathlib import Path

import pytest

from centernet_plugin.benchmark import compiling
from centernet_plugin.benchmark.case import BASE, OURS, Case, Work
from centernet_plugin.benchmark.render import ratios, render
from centernet_plugin.benchmark.table import steps_markdown
from centernet_plugin.datasets.synthetic import generate
from centernet_plugin.errors import UserInputError

ROOT = Path(__file__).resolve().parents[2]
SMALL = ('--size', 96, '--classes', 3, '--images', 2, '--objects', 6, '--repeat', 2)


@pytest.fixture(scope='module')
def picture_folder(tmp_path_factory):
    """A set of two small images."""
    folder = tmp_path_factory.mktemp('pictures') / 'set'
    return generate(folder, num_train=2, num_val=1, image_size=(64, 96), progress=False)


@pytest.fixture(scope='module')
def tool(load_script):
    return load_script(ROOT / 'tools/analysis_tools/benchmark.py')


@pytest.fixture
def benchmark(tool, call_script, monkeypatch):
    """Runs the script in this process: exit code, and what it printed."""
    monkeypatch.setattr(compiling, 'can_compile', lambda kind: False)
    return lambda *args: call_script(tool, *args)


@pytest.fixture
def use_cases(tool, monkeypatch):
    """Puts sides that return numbers in the place of the cases: name, ours, mmdet's."""

    def use(*rows):
        def check(side, output, reference):
            return '' if output == reference else f'{output} against {reference}'

        def make(name, ours, theirs):
            sides = {OURS: lambda: ours, BASE: lambda: theirs}
            work = Work(sides=sides, check=check)
            return Case(group='things', name=name, prepare=lambda: work, goals={OURS: 1e-9})

        monkeypatch.setattr(tool, 'all_cases', lambda settings: [make(*row) for row in rows])

    return use


def test_a_check_that_fails_blocks_the_ratio(benchmark, use_cases):
    use_cases(('good', 1, 1), ('bad', 1, 2))
    code, printed = benchmark()
    assert code == 1
    good, bad = (
        next(line for line in printed.out.splitlines() if name in line) for name in ('good', 'bad')
    )
    assert '1e-09 x: met' in good
    assert 'NOT THE SAME: 1 against 2' in bad and ' ms' not in bad
    assert 'error: things: bad: no ratio' in printed.err
    assert '1/2 things: good' in printed.err


def test_only_and_list(benchmark, use_cases):
    use_cases(('good', 1, 1), ('bad', 1, 2))
    code, printed = benchmark('--only', 'good$')
    assert code == 0 and 'bad' not in printed.out
    code, printed = benchmark('--list')
    assert code == 0 and printed.out.split('\n')[:2] == ['things: good', 'things: bad']


@pytest.mark.parametrize(
    ('args', 'sentence'),
    [
        (('--only', '('), 'is not a regular expression'),
        (('--only', 'nothing of this name'), 'no case has'),
        (('--images', 0), '--images must be positive'),
        (('--size', 100), '--size must be a multiple of 32'),
        (('--data-root', '/nowhere'), "'/nowhere/annotations/instances_train.json' does not"),
        (('--render', '/nowhere'), "there is no JSON file in '/nowhere'"),
    ],
)
def test_mistakes_are_sentences(benchmark, args, sentence):
    code, printed = benchmark(*args)
    assert code == 2 and printed.err.splitlines()[-1].startswith('error: ')
    assert sentence in printed.err


def test_results_are_written_and_rendered(benchmark, tmp_path, picture_folder):
    file = tmp_path / 'cpu.json'
    args = ('--only', '^(targets:|decoding)', '--data-root', picture_folder)
    code, printed = benchmark(*SMALL, *args, '--json', file)
    assert code == 0, printed.err
    assert 'targets' in printed.out and '50 x: ' in printed.out and 'CPU cores' in printed.out

    text = file.read_text()
    for secret in (platform.node(), str(picture_folder), str(tmp_path), '"/', '~'):
        assert secret not in text
    result = json.loads(text)
    assert result['command'].endswith('--data-root DATA_ROOT')
    assert "--only '^(targets:|decoding)'" in result['command']
    assert {'cores', 'threads', 'gpu', 'versions'} <= result['machine'].keys()
    assert [row['name'] for row in result['rows']][0] == '2 images, 6 objects'

    code, printed = benchmark('--render', tmp_path)
    assert code == 0
    assert printed.out.splitlines()[-2:] == [str(tmp_path / n) for n in ('README.md', 'cpu.png')]
    page = (tmp_path / 'README.md').read_text()
    for part in (
        '### Decoding',
        '![Ratio to MMDetection by component, with the goals](cpu.png)',
        result['command'],
        '| 2 images, 6 objects | ours |',
    ):
        assert part in page
    assert (tmp_path / 'cpu.png').stat().st_size < 200_000
    assert max(map(len, page.split('### ')[0].splitlines())) <= 250
    # The same again from the same file.
    render(tmp_path)
    assert (tmp_path / 'README.md').read_text() == page


def test_other_json_files_are_named(tmp_path):
    (tmp_path / 'other.json').write_text('[]')
    with pytest.raises(UserInputError, match='is no result of benchmark.py'):
        render(tmp_path)


def test_steps_have_a_table_of_their_own():
    steps = dict(network=100.4, loss=2.0, backward=3.0, optimiser=0.5)
    sides = {OURS: dict(median=106.0, steps=steps), BASE: dict(median=200.0)}
    lines = steps_markdown([dict(name='n', sides=sides), dict(name='other')]).splitlines()
    assert lines[0].count('|') == lines[1].count('|') == 9
    assert lines[2:] == ['| n | ours | - | 100 | 2 | 3 | 0.5 | 106 |']
    assert steps_markdown([dict(name='n', sides={BASE: dict(median=200.0)})]) == ''


def test_bars_are_ratios_of_time_outside_series():
    def row(**options):
        side = dict(median=1.0, ratio=2.0, goal=3.0)
        sides = {OURS: side, 'ours, compiled': dict(side, goal=None), BASE: dict(median=2.0)}
        return dict(group='g', name='n', measure='time', series=None, sides=sides) | options

    rows = [row(), row(measure='memory'), row(series='s'), dict(row(), sides={})]
    assert ratios(rows) == [('g: n', 2.0, 3.0), ('g: n, compiled', 2.0, None)]
