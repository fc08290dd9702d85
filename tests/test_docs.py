"""What the pages say can be done: commands, options, configs, Python and links are checked."""

import argparse
import ast
import functools
import importlib
import importlib.util
import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from doc_pages import (
    ROOT,
    Block,
    anchors,
    blocks,
    commands,
    inline_commands,
    links,
    pages,
)
from mmdet import registry as mmdet_registry
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry

import centernet_plugin.evaluation
import centernet_plugin.visualization.visualizer  # noqa: F401
from centernet_plugin import apis, registry

register_all_modules(init_default_scope=False)

LANGUAGES = {'shell', 'python', 'json', 'text'}
MARKERS = re.compile(r'run|run: slow|build|file: \S+')
# Programs that are not ours.
FOREIGN = {'cd', 'export', 'git', 'mim', 'source'}
# What a shell script hands its options on to.
HANDED_ON = {
    'tools/dist_train.sh': 'tools/train.py',
    'tools/dist_test.sh': 'tools/test.py',
    'tools/slurm_train.sh': 'tools/train.py',
    'tools/slurm_test.sh': 'tools/test.py',
}
OWN_FOLDERS = ('configs/', 'docs/', 'tests/', 'tools/', 'constraints/')
SECONDS = 300

PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
SHELL = [block for block in BLOCKS if block.language == 'shell']
PYTHON = [block for block in BLOCKS if block.language == 'python']


def name(page):
    return str(page.relative_to(ROOT))


class PageError(Exception):
    """A page says what is not so."""


# Commands


class _Captured(BaseException):
    pass


@functools.cache
def parser_of(script: str) -> argparse.ArgumentParser | None:
    """The parser of a script or module of ours, taken where it would read its arguments."""

    def capture(self, *args, **kwargs):
        raise _Captured(self)

    is_module = not script.endswith('.py')
    path = Path(importlib.util.find_spec(script).origin) if is_module else ROOT / script
    path = path.with_name('__main__.py') if path.name == '__init__.py' else path
    if 'ArgumentParser' not in path.read_text():
        return None
    before, argv, sys.argv = list(sys.path), sys.argv, [script]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', capture)
        try:
            runpy.run_module(script, run_name='__main__') if is_module else runpy.run_path(
                str(path), run_name='__main__'
            )
        except _Captured as captured:
            return captured.args[0]
        finally:
            sys.path[:], sys.argv = before, argv
    raise AssertionError(f'{script} has a parser and does not use it')


def check_command(words: list[str], complete: bool = True) -> None:
    """Raises PageError unless it could run; of an incomplete command only the options count."""
    words = list(words)
    while words and re.match(r'^\w+=', words[0]):
        words.pop(0)
    if not words:
        return
    for word in words:
        if word.startswith(OWN_FOLDERS) and not list(ROOT.glob(word.split('::')[0].rstrip('/'))):
            raise PageError(f'{word} does not exist')
    program, arguments = words[0], words[1:]
    if program in ('python', 'python3') or program.endswith('/bin/python'):
        check_python(arguments, complete)
    elif program.startswith('tools/'):
        check_script(HANDED_ON.get(program, program), arguments, complete, program)
    elif program == 'bash':
        if not (ROOT / arguments[0]).is_file():
            raise PageError(f'{arguments[0]} does not exist')
    elif program == 'make':
        check_make(arguments)
    elif program == 'pip':
        check_pip(arguments)
    elif program not in FOREIGN:
        raise PageError(f'{program} is no program that pages may use; add it to FOREIGN if it is')


def check_python(arguments, complete):
    script, *rest = arguments[1:] if arguments[0] == '-m' else arguments
    if script.isupper() or script.split('/')[0].isupper():  # a placeholder
        return
    if arguments[0] == '-m' and not script.startswith('centernet_plugin'):
        if importlib.util.find_spec(script) is None:
            raise PageError(f'there is no module {script}')
        return
    if arguments[0] != '-m' and not (ROOT / script).is_file():
        raise PageError(f'there is no script {script}')
    check_script(script, rest, complete, script)


def check_script(script, arguments, complete, program):
    parser = parser_of(script)
    known = set() if parser is None else set(parser._option_string_actions)
    used = [word.split('=')[0] for word in arguments if re.match(r'--?[a-z]', word)]
    unknown = [option for option in used if option not in known]
    if unknown:
        raise PageError(f'{script} has no option {unknown[0]}')
    if parser is None or not complete:
        return
    if program.endswith('slurm_train.sh'):  # partition and name of the job, config, work dir
        arguments = arguments[2:3] + arguments[4:]
    elif program.endswith('slurm_test.sh'):
        arguments = arguments[2:]
    elif program != script:  # the second argument is the number of processes
        position = 1 if program.endswith('dist_train.sh') else 2
        if len(arguments) <= position or not arguments[position].isdigit():
            raise PageError(f'{program} needs the number of processes as argument {position + 1}')
        arguments = arguments[:position] + arguments[position + 1 :]
    # `[CONFIG ...]` and `...` stand for more of the same.
    arguments = [word for word in arguments if not re.fullmatch(r'\[.*|.*\.\.\.\]?', word)]

    def error(message):
        raise PageError(f'{script}: {message}')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, 'error', error)
        found = parser.parse_args(arguments)
    check_settings(getattr(found, 'config', None), getattr(found, 'cfg_options', None))


def check_settings(config, settings):
    """Of ``--cfg-options`` all but the last part of a name has to be in the config."""
    if not settings or not isinstance(config, str) or not (ROOT / config).is_file():
        return
    cfg = Config.fromfile(ROOT / config)
    for key in settings:
        *parts, _ = key.split('.')
        place = cfg
        for part in parts:
            if not isinstance(place, dict) or part not in place:
                raise PageError(f'{config} has no {".".join(parts)}, for {key}')
            place = place[part]


def check_make(arguments):
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    variables = set(re.findall(r'^(\w+) \?=', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    for word in arguments:
        variable = word.split('=')[0]
        if ('=' in word and variable not in variables) or ('=' not in word and word not in targets):
            raise PageError(f'the Makefile has no {word}')


def check_pip(arguments):
    text = (ROOT / 'setup.py').read_text()
    if any(argument.startswith('centernet') for argument in arguments):
        raise PageError(
            'the package is not on PyPI, and whoever takes its name there is a stranger'
        )
    for extra in re.findall(r'^\.\[(\w+)\]', '\n'.join(arguments), re.MULTILINE):
        if f"'{extra}':" not in text:
            raise PageError(f'setup.py has no extra {extra}')


@pytest.mark.parametrize('block', SHELL, ids=str)
def test_commands(block):
    for words in commands(block.text):
        check_command(words)


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_commands_in_the_prose(page):
    for code in inline_commands(page.read_text()):
        for words in commands(code):
            check_command(words, complete=False)


@pytest.mark.parametrize(
    ('code', 'message'),
    [
        ('python tools/trian.py CONFIG', 'tools/trian.py does not exist'),
        ('python tools/train.py CONFIG --fast', 'tools/train.py has no option --fast'),
        ('python tools/train.py CONFIG --auto-scale', 'no option --auto-scale'),
        ('python tools/train.py', 'required: config'),
        ('python tools/test.py CONFIG CHECKPOINT --test-mode twice', 'invalid choice'),
        ('python tools/train.py configs/no.py --amp', 'configs/no.py does not exist'),
        ('OMP_NUM_THREADS=1 python tools/test.py CONFIG CHECKPOINT MORE', 'unrecognized'),
        (
            'python tools/train.py configs/centernet/centernet_r18_1xb16-demo_synthetic.py '
            '--cfg-options train_confg.max_epochs=1',
            'has no train_confg',
        ),
        ('tools/dist_train.sh CONFIG --amp', 'number of processes'),
        ('python -m centernet_plugin.compat --erase', 'no option --erase'),
        ('python -m no_such_module', 'no module no_such_module'),
        ('make tset', 'no tset'),
        ('make test PYTEST_ARG=-x', 'no PYTEST_ARG'),
        ("pip install -e '.[doc]'", 'no extra doc'),
        ('cd x && curl ADDRESS', 'curl is no program'),
    ],
)
def test_wrong_commands_are_noticed(code, message):
    with pytest.raises(PageError, match=re.escape(message)):
        for words in commands(code):
            check_command(words)


def test_right_commands_are_not():
    for code in (
        'python tools/analysis_tools/get_flops.py CONFIG [CONFIG ...] --shape 512 512',
        'tools/dist_test.sh CONFIG CHECKPOINT 8 --tta  # all scales',
        "python tools/train.py CONFIG --cfg-options 'model.backbone.strides=(1,2,2,2)' > log",
        "pip install -e '.[docs]'",
    ):
        for words in commands(code):
            check_command(words)


# Blocks that are run


def run_params():
    for page in sorted({block.page for block in BLOCKS if block.marker.startswith('run')}):
        yield pytest.param(page, False, id=name(page))
        if any(b.marker == 'run: slow' and b.page == page for b in BLOCKS):
            yield pytest.param(page, True, id=f'{name(page)}-slow', marks=pytest.mark.slow)


@pytest.mark.parametrize(('page', 'slow'), list(run_params()))
def test_marked_blocks_run(page, slow, tmp_path):
    for path in ROOT.iterdir():
        if path.name in ('configs', 'docs', 'tests', 'tools', 'centernet_plugin'):
            (tmp_path / path.name).symlink_to(path)
    env = dict(
        os.environ,
        PATH=f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
        PYTHONPATH=str(ROOT),
    )
    ran = 0
    for block in blocks(page):
        if block.marker.startswith('file: '):
            (tmp_path / block.marker.removeprefix('file: ')).write_text(block.text)
        elif block.marker == 'run' or (slow and block.marker == 'run: slow'):
            result = subprocess.run(
                ['bash', '-euo', 'pipefail', '-c', block.text],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
            assert result.returncode == 0, f'{block}\n{result.stdout}\n{result.stderr}'
            ran += 1
    assert ran or not slow


# Python


def is_config(tree: ast.Module) -> bool:
    """Whether all that the code does is to give names to values."""
    return bool(tree.body) and all(isinstance(node, ast.Assign) for node in tree.body)


def read_config(block: Block, folder: Path) -> Config:
    """The config, with a ``_base_`` that lies where the page's reader has it."""

    def absolute(match):
        for start in (ROOT, ROOT / 'docs/examples', block.page.parent):
            if (path := start / match[1]).is_file():
                return f"_base_ = '{path.resolve()}'"
        raise PageError(f'{block}: there is no {match[1]}')

    path = folder / 'config.py'
    path.write_text(re.sub(r"^_base_ = '([^']+)'", absolute, block.text, flags=re.MULTILINE))
    return Config.fromfile(path)


def typed(value):
    """All dicts with a type, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get('type'), str):
            yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from typed(item)


def find_class(kind: str):
    scope, _, rest = kind.partition('.')
    module = {'centernet_plugin': registry, 'mmdet': mmdet_registry}.get(scope)
    if module is None:
        return None
    for found in vars(module).values():
        if isinstance(found, Registry) and found.scope == scope and rest in found.module_dict:
            return found.module_dict[rest]
    raise PageError(f'nothing is registered as {kind}')


def options_of(cls) -> set[str] | None:
    """Names of a class's arguments, or None where any is taken."""
    names = set()
    for parent in cls.__mro__:
        if '__init__' in vars(parent):
            parameters = inspect.signature(parent.__init__).parameters.values()
            names |= {p.name for p in parameters}
            if all(p.kind is not p.VAR_KEYWORD for p in parameters):
                return names
    return None


def check_types(config) -> None:
    for settings in typed(config):
        cls = find_class(settings['type'])
        options = None if cls is None else options_of(cls)
        unknown = set() if options is None else set(settings) - options - {'type', '_delete_'}
        if unknown:
            raise PageError(f'{settings["type"]} has no option {sorted(unknown)}')


@pytest.mark.parametrize('block', PYTHON, ids=str)
def test_python(block, tmp_path):
    tree = ast.parse(block.text)
    compile(tree, str(block), 'exec')
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f'{node.module} has no {alias.name}'
        elif isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
    if is_config(tree):
        check_types(read_config(block, tmp_path).to_dict())


@pytest.mark.parametrize('block', [b for b in PYTHON if 'custom_hooks =' in b.text], ids=str)
def test_lists_of_hooks_keep_those_of_the_base(block, tmp_path):
    """A list in a config replaces the one of its base, and the modern one's has the average."""
    config = read_config(block, tmp_path)
    base = Config.fromfile(re.search("_base_ = '(.+)'", (tmp_path / 'config.py').read_text())[1])
    assert config.custom_hooks[: len(base.custom_hooks)] == base.custom_hooks


@pytest.mark.parametrize('block', [b for b in PYTHON if b.marker == 'build'], ids=str)
def test_models_build(block, tmp_path):
    config = read_config(block, tmp_path)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = mmdet_registry.MODELS.build(config.model).eval()
    with torch.no_grad():
        maps = model.bbox_head(model.extract_feat(torch.zeros(1, 3, 64, 64)))
    assert all(values.shape[-2:] == (16, 16) for stack in maps for values in stack.values())


@pytest.mark.parametrize(
    ('code', 'message'),
    [
        ("model = dict(bbox_head=dict(type='centernet_plugin.CentreNetHead'))", 'CentreNetHead'),
        ("branches = [dict(type='centernet_plugin.OffsetBranch', flip='average')]", "['flip']"),
        ("_base_ = 'configs/nothing.py'", 'there is no configs/nothing.py'),
    ],
)
def test_wrong_configs_are_noticed(code, message, tmp_path):
    block = Block(ROOT / 'README.md', 1, 'python', code, '')
    with pytest.raises(PageError, match=re.escape(message)):
        check_types(read_config(block, tmp_path).to_dict())


# Pages


def test_blocks_say_their_language_and_know_their_markers():
    for block in BLOCKS:
        assert block.language in LANGUAGES, f'{block}: language {block.language!r}'
        assert not block.marker or MARKERS.fullmatch(block.marker), f'{block}: {block.marker}'
        if block.marker.startswith('run'):
            assert block.language == 'shell', str(block)


def check_link(page: Path, target: str, text: str) -> None:
    path, _, anchor = target.partition('#')
    file = (page.parent / path).resolve() if path else page
    if not file.is_file() or not file.is_relative_to(ROOT):
        raise PageError(f'there is no file {path}')
    if anchor and anchor not in anchors(text if not path else file.read_text()):
        raise PageError(f'{file.name} has no heading #{anchor}')


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for target in links(text):
        check_link(page, target, text)


@pytest.mark.parametrize('target', ['no.md', '../tests', 'README.md#no', '#no', '../../x.md'])
def test_wrong_links_are_noticed(target):
    with pytest.raises(PageError):
        check_link(ROOT / 'docs/README.md', target, '# Yes\n')


def test_every_page_is_in_the_navigation():
    def names(entry):
        if isinstance(entry, str):
            return [entry]
        return [n for e in (entry.values() if isinstance(entry, dict) else entry) for n in names(e)]

    nav = names(yaml.safe_load((ROOT / 'mkdocs.yml').read_text())['nav'])
    assert sorted(nav) == sorted(name(page) for page in PAGES if name(page) != 'README.md')


def test_the_api_page_has_all_that_is_registered_or_for_python():
    text = (ROOT / 'docs/api.md').read_text()
    listed = re.findall(r'^<!-- api: (\S+)\.(\w+) -->$', text, re.MULTILINE)
    documented = {getattr(importlib.import_module(module), item) for module, item in listed}
    registries = [r for r in vars(registry).values() if isinstance(r, Registry)]
    registered = {
        cls
        for r in registries
        if r.scope == 'centernet_plugin'
        for cls in r.module_dict.values()
        if cls.__module__.startswith('centernet_plugin.')
    }
    wanted = registered | {getattr(apis, item) for item in apis.__all__}
    assert wanted <= documented, wanted - documented
    for _, item in listed:
        assert f'\n### {item}\n' in text
