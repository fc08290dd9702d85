"""Every command of the pages runs: here on a tiny set, or in the test that is named for it.

A command that is neither fails :func:`test_every_command_is_run_somewhere`.
"""

import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from doc_pages import ROOT, blocks, commands, pages  # noqa: E402

from .test_tta import TTA  # noqa: E402

pytestmark = pytest.mark.door
# Programs that are not ours; `make` and `.ci/run` are how the tests themselves are run.
FOREIGN = ('git', 'export', 'source', 'pip', 'make', 'bash', 'mim', '.venv/bin/python')
# What stands for files of the reader's, and what it is here.
FILES = {
    'CONFIG': 'CONFIG.py',
    'CHECKPOINT': 'CHECKPOINT.pth',
    'INPUTS': 'photos',
    'IMAGES': 'photos',
    'IMAGE': 'photos/0.png',
    'OUT.onnx': 'FILE.onnx',
}
# Where the others are run, by how they start.
ELSEWHERE = {
    r'python tools/dataset_converters/make_synthetic.py': 'test_docs.py::test_marked_blocks_run',
    r'python \S+ (shapes|shapes/val) ?': 'test_docs.py::test_marked_blocks_run',
    r'python tools/\S+ shapes.py': 'test_docs.py::test_marked_blocks_run',
    r'python tools/dataset_converters/voc_to_coco.py BCCD': 'test_bccd.py::test_trains_and_tests',
    r'python \S+ configs/centernet/centernet_r18_1xb4-crop256-24e_bccd.py': (
        'test_bccd.py::test_trains_and_tests'
    ),
    r'python tools/test.py CONFIG work_dirs/\S+bccd': 'test_bccd.py::test_trains_and_tests',
    r'OMP_NUM_THREADS=1 python tools/analysis_tools/compare_speed_switches.py': (
        'test_tools/test_compare_speed_switches.py::test_trains_off_on_and_each_alone'
    ),
    r'python tools/dataset_converters/\w+.py data/': (
        'test_your_own_data.py::test_page_has_the_commands_that_are_tested'
    ),
    r'python \S+ cats.py': 'test_your_own_data.py::test_set_passes_the_check',
    r'python tools/infer.py (photo.jpg|photos|photos/\S+|list.txt|http\S+|clip.avi|0) ': (
        'test_tools/test_infer_script.py::test_commands_of_the_document'
    ),
    r'python tools/infer.py IMAGES CONFIG CHECKPOINT --calib': (
        'test_doors/test_kitti_door.py::test_detects_on_a_folder_of_images'
    ),
    r'python tools/train.py configs/pose/': (
        'test_doors/test_pose_door.py::test_trains_evaluates_and_resumes'
    ),
    r'python tools/train.py configs/centernet/centernet_dla34': (
        'test_overfit.py::test_learns_eight_images_by_heart'
    ),
    r'python tools/(model_converters/official_to_plugin|test).py \S+ ?dla34.pth': (
        'test_models/test_parity_networks.py'
    ),
    r'python tools/model_converters/official_to_plugin.py': (
        'test_tools/test_official_to_plugin.py::test_converts'
    ),
    r'python tools/analysis_tools/benchmark.py': (
        'test_tools/test_benchmark.py::test_results_are_written_and_rendered'
    ),
    r'tools/dist_test.sh|(NNODES=\S+ .*)?tools/dist_train.sh': (
        'test_doors/test_scale_out.py::'
        'test_two_processes_learn_what_one_learns_from_the_doubled_batch'
    ),
    r'python docs/examples/onnx_infer.py': (
        'test_tools/test_export_onnx.py::'
        'test_from_a_config_and_a_checkpoint_to_the_pipelines_detections'
    ),
    r'python -m centernet_plugin.compat': 'test_compat.py',
    r'GPUS=16 .*tools/slurm_train.sh': 'test_doors/test_slurm.py::test_training_by_slurm',
    r'GPUS=8 tools/slurm_test.sh': 'test_doors/test_slurm.py::test_test_by_slurm',
    r'python tools/\w+.py docs/examples/velocity_config.py': (
        'test_doors/test_your_own_property.py::test_tests_keep_the_property_of_every_detection'
    ),
}


def all_commands() -> dict[str, str]:
    """Commands of the pages' shell blocks, and where they stand."""
    found = {}
    for page in pages():
        for block in blocks(page):
            for words in commands(block.text) if block.language == 'shell' else ():
                if words[0] not in FOREIGN:
                    found.setdefault(' '.join(words), str(block))
    return found


def elsewhere(command: str) -> str | None:
    return next((test for start, test in ELSEWHERE.items() if re.match(start, command)), None)


HERE = [command for command in all_commands() if elsewhere(command) is None]


def test_every_command_is_run_somewhere():
    assert len(HERE) > 15
    for command in HERE:
        script = command.split()[1]
        assert script.endswith('.py') and (ROOT / script).is_file(), (
            f'{all_commands()[command]}: nothing runs `{command}`; say in ELSEWHERE which test does'
        )
    for start, test in ELSEWHERE.items():
        assert any(re.match(start, command) for command in all_commands()), f'no page has {start}'
        file, _, name = test.partition('::')
        text = (ROOT / 'tests' / file).read_text()
        assert not name or f'def {name}(' in text, f'{test} does not exist'


@pytest.fixture(scope='module')
def files(data_root, write_config, checkpoint, tmp_path_factory) -> Path:
    """What the commands are about."""
    folder = tmp_path_factory.mktemp('files')
    shutil.copy(write_config('tiny', TTA), folder / 'CONFIG.py')
    shutil.copy(checkpoint, folder / 'CHECKPOINT.pth')
    shutil.copytree(Path(data_root, 'images'), folder / 'photos')
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('command', HERE)
def test_command(command, call, files, tmp_path):
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    (tmp_path / 'docs').mkdir()  # for what is drawn there
    words = [FILES.get(word, word) for word in command.split() if word not in ('[CONFIG', '...]')]
    if 'FILE.onnx' in words and 'export_onnx' not in command:
        pytest.importorskip('onnxscript', reason="needs pip install -e '.[deploy]'")
        code, said = call('deployment/export_onnx.py', 'CONFIG.py', 'CHECKPOINT.pth', 'FILE.onnx')
        assert code == 0, said
    script = ROOT / words[1]
    before = set(tmp_path.rglob('*'))
    code, said = call(script, *words[2:])
    assert code in (0, None), said
    if '--out' in words or '--out-dir' in words or 'OUT' in command:
        assert set(tmp_path.rglob('*')) > before
