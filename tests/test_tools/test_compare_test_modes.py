"""The comparison of the test modes from its command line, on a tiny set, and its arithmetic."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools/analysis_tools/compare_test_modes.py'
CONFIG = """
default_scope = 'mmdet'
custom_imports = dict(imports=['centernet_plugin'], allow_failed_imports=False)
model = dict(
    type='centernet_plugin.CenterNet',
    data_preprocessor=dict(type='mmdet.DetDataPreprocessor', mean=[99.0] * 3, std=[70.0] * 3),
    backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8),
    neck=dict(
        type='centernet_plugin.CenterNetDeconvNeck', in_channels=64, deconv_channels=(16, 16, 16)
    ),
    bbox_head=dict(type='centernet_plugin.CenterNetHead', num_classes=1, in_channels=16),
    test_cfg=dict(max_per_img=10),
)
pack = dict(
    type='mmdet.PackDetInputs',
    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border'),
)
annotations = dict(type='mmdet.LoadAnnotations', with_bbox=True)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.KeepResPad', pad=31),
    annotations,
    pack,
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='centernet_plugin.KeepResPad', scale=scale) for scale in (1.0, 2.0)],
            [annotations],
            [pack],
        ],
    ),
]
test_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='centernet_plugin.CocoDataset',
        metainfo=dict(classes=('box',)),
        data_root=ROOT,
        ann_file='coco.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = [
    dict(type='mmdet.CocoMetric', ann_file=ROOT + 'coco.json'),
    dict(type='mmdet.VOCMetric'),
]
test_cfg = dict(type='TestLoop')
"""
ONE_SCALE = """
tta_pipeline[-1]['transforms'][0] = tta_pipeline[-1]['transforms'][0][:1]
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Folder of four images of 64 x 64, each with a box."""
    root = tmp_path_factory.mktemp('tiny set')
    (root / 'images').mkdir()
    for i in range(4):
        image = np.full((64, 64, 3), 30 * i, np.uint8)
        cv2.rectangle(image, (8 + i, 8), (40 + i, 40), (250, 90, 60), -1)
        cv2.imwrite(str(root / f'images/{i}.png'), image)
    coco = dict(
        images=[dict(id=i, file_name=f'{i}.png', width=64, height=64) for i in range(4)],
        annotations=[
            dict(id=i + 1, image_id=i, category_id=1, bbox=(8 + i, 8, 32, 32), area=1024, iscrowd=0)
            for i in range(4)
        ],
        categories=[dict(id=1, name='box')],
    )
    (root / 'coco.json').write_text(json.dumps(coco))
    return root


@pytest.fixture
def write_config(data, tmp_path):
    def write(changes=''):
        path = tmp_path / f'{tmp_path.name}.py'  # tests run in one process, in the same second
        path.write_text(f'ROOT = {str(data) + "/"!r}\n{CONFIG}{changes}')
        return path

    return write


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A random network's."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromstring(CONFIG.split('pack =')[0], '.py').model)
    model.init_weights()
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@pytest.fixture(scope='module')
def tool(load_script):
    return load_script(SCRIPT)


@pytest.fixture
def compare(tool, call_script, tmp_path):
    """Runs the tool in this process: exit code, what it printed, and its folder of results."""

    def call(*args):
        work_dir = tmp_path / 'out'
        return *call_script(tool, *args, '--work-dir', work_dir), work_dir

    return call


def results_of(work_dir):
    return json.loads((work_dir / 'test_modes.json').read_text())


def test_one_test_per_mode_and_no_pictures(write_config, checkpoint, compare):
    hook = "dict(type='mmdet.DetVisualizationHook', draw=True, test_out_dir='pictures')"
    config = write_config(f'default_hooks = dict(timer=None, visualization={hook})\n')
    code, printed, folder = compare(config, checkpoint, '--modes', 'flip', 'plain', 'flip')
    assert code == 0, printed.err
    assert 'test 1 of 2: flip' in printed.out and 'test 2 of 2: plain' in printed.out
    assert 'test 3' not in printed.out
    results = results_of(folder)
    assert list(results) == ['flip', 'plain']
    for row in results.values():
        assert row['ms'] > 0 and {'coco/bbox_mAP', 'pascal_voc/mAP'} <= row.keys()
    assert not [path for path in folder.rglob('*') if path.suffix in ('.png', '.jpg')]
    # Also those that started in the same second keep what they measure to themselves.
    for mode in results:
        prefix = f'{config.stem}-{mode}_'
        (name,) = [name for name in MessageHub._instance_dict if name.startswith(prefix)]
        times, _ = MessageHub._instance_dict[name].get_scalar('test/time').data
        assert len(times) == 2
        assert len(list((folder / 'test_modes' / mode).rglob('*.log'))) == 1


def test_a_single_scale_is_left_out_unless_asked_for(write_config, checkpoint, compare):
    config = write_config(ONE_SCALE)
    code, printed, folder = compare(config, checkpoint)
    assert code == 0, printed.err
    assert 'one scale only: the multi-scale tests are left out' in printed.out
    assert list(results_of(folder)) == ['plain', 'flip']
    code, printed, _ = compare(config, checkpoint, '--modes', 'plain', 'multi-scale')
    assert code == 2 and 'tta_pipeline has one scale only' in printed.err
    assert 'test 1' not in printed.out


@pytest.mark.parametrize('changes', ['tta_pipeline = None\n', "tta_model = dict(type='DetTTA')\n"])
def test_all_configs_are_looked_at_before_the_first_test(
    write_config, checkpoint, compare, changes
):
    code, printed, folder = compare(write_config(changes), checkpoint)
    assert code == 2 and 'tta_' in printed.err
    assert 'test 1' not in printed.out and not folder.exists()


def test_the_checkpoint_is_looked_for_before_the_first_test(write_config, compare):
    code, printed, folder = compare(write_config(), 'nowhere.pth')
    assert code == 2 and "checkpoint 'nowhere.pth' does not exist" in printed.err
    assert 'test 1' not in printed.out and not folder.exists()


def test_milliseconds(tool):
    one = tool.milliseconds([0.3], [0.1], 2)
    assert one == pytest.approx(dict(ms=100, ms_loading=50))
    # The median of the differences, .1 .2 .3, not the difference .5 of the medians.
    several = tool.milliseconds([9.3, 0.7, 0.4], [9.0, 0.5, 0.3], 1)
    assert several == pytest.approx(dict(ms=200, ms_loading=500))


def test_batches_larger_than_the_set(write_config, checkpoint, compare, tool, monkeypatch):
    given = []
    monkeypatch.setattr(
        tool, 'milliseconds', lambda *args: given.append(args) or dict(ms=1.0, ms_loading=0.0)
    )
    options = ('--modes', 'plain', '--cfg-options', 'test_dataloader.batch_size=100')
    code, printed, _ = compare(write_config(), checkpoint, *options)
    assert code == 0, printed.err
    ((time, data_time, batch_size),) = given
    assert batch_size == 4 and len(time) == 1 and 0 <= data_time[0] < time[0]


def test_what_is_not_a_number_is_null(write_config, checkpoint, compare, tool, monkeypatch):
    class Runner(tool.QuietRunner):
        def test(self):
            return {**super().test(), 'coco/bbox_mAP_s': float('nan'), 'mine/x': float('inf')}

    monkeypatch.setattr(tool, 'QuietRunner', Runner)
    code, printed, folder = compare(write_config(), checkpoint, '--modes', 'plain')
    assert code == 0, printed.err
    row = results_of(folder)['plain']
    assert row['coco/bbox_mAP_s'] is None and row['mine/x'] is None and row['coco/bbox_mAP'] == 0


def printed_table(tool, *rows):
    file = io.StringIO()
    results = {f'mode{i}': dict(row, ms_loading=1.0) for i, row in enumerate(rows)}
    Console(file=file, width=110).print(tool.table(results))
    lines = file.getvalue().replace('┃', '│').splitlines()
    return [[cell.strip() for cell in line.split('│')[1:-1]] for line in lines if '│' in line]


def test_table_in_percent(tool):
    row = {'coco/bbox_mAP': 0.4567, 'coco/bbox_mAP_s': None, 'coco/bbox_mAP_m': -1.0}
    table = printed_table(tool, row | dict(ms=20.0), row | {'coco/bbox_mAP': 0.5, 'ms': 50.0})
    assert table == [
        ['test', 'AP', 'APs', 'APm', 'ms/image', ''],
        ['mode0', '45.7', '-', '-', '20.0', 'x 1.0'],
        ['mode1', '50.0', '-', '-', '50.0', 'x 2.5'],
    ]


def test_table_of_voc(tool):
    table = printed_table(tool, {'pascal_voc/mAP': 0.7123, 'pascal_voc/AP50': 0.712, 'ms': 20.0})
    assert table == [
        ['test', 'mAP', 'AP50', 'ms/image', ''],
        ['mode0', '71.2', '71.2', '20.0', 'x 1.0'],
    ]


def test_table_of_other_metrics_as_they_are(tool):
    table = printed_table(tool, {'mine/error': 12.5, 'mine/x': None, 'mine/bias': -0.25, 'ms': 2.0})
    assert table == [
        ['test', 'mine/error', 'mine/x', 'mine/bias', 'ms/image', ''],
        ['mode0', '12.5', '-', '-0.25', '2.0', 'x 1.0'],
    ]
