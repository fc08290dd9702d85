"""The comparison of the speed switches from its command line, on a tiny generated set."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from centernet_plugin.datasets.synthetic import generate

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools/analysis_tools/compare_speed_switches.py'
CONFIG = ROOT / 'configs/centernet/centernet_r18_1xb16-demo_synthetic.py'


@pytest.fixture
def script(load_script):
    return load_script(SCRIPT)


def test_trains_off_on_and_each_alone(tmp_path, script, call_script):
    root = generate(tmp_path / 'set', num_train=4, num_val=2, image_size=(64, 64), progress=False)
    options = dict(
        {'model.backbone.base_channels': 8, 'model.bbox_head.in_channels': 16},
        **{'model.neck.in_channels': 64, 'model.neck.deconv_channels': '(16,16)'},
        **{'train_dataloader.batch_size': 2},
    )
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        options |= {
            f'{loader}.dataset.data_root': root,
            f'{loader}.num_workers': 0,
            f'{loader}.persistent_workers': False,
        }
    for evaluator in ('val_evaluator', 'test_evaluator'):
        options[f'{evaluator}.ann_file'] = root / 'annotations/instances_val.json'
    code, printed = call_script(
        script,
        CONFIG,
        *('--epochs', 1, '--seeds', 0, 1, '--switches', 'channels last', 'bfloat16'),
        *('--work-dir', tmp_path / 'runs'),
        *('--cfg-options', *(f'{name}={value}' for name, value in options.items())),
    )
    assert code == 0, printed
    results = json.loads((tmp_path / 'runs/speed_switches.json').read_text())
    assert list(results) == ['all off', 'all on', 'channels last', 'bfloat16']
    assert [len(rows) for rows in results.values()] == [2, 2, 1, 1]
    assert all(row['seconds'] > 0 for rows in results.values() for row in rows)
    for text in ('AP50', 'seconds', 'all off', 'channels last', 'training 6 of 6'):
        assert text in printed.out


def test_schedules_are_scaled_along(script):
    cfg = Config(
        dict(
            train_cfg=dict(max_epochs=24),
            param_scheduler=[
                dict(type='LinearLR', by_epoch=False, begin=0, end=100),
                dict(type='OneCycleLR', by_epoch=True, begin=0, end=24, total_steps=24),
                dict(type='MultiStepLR', by_epoch=True, milestones=[12, 20]),
            ],
        )
    )
    script.shorten(cfg, 6)
    warm_up, cycle, steps = cfg.param_scheduler
    assert warm_up.end == 100 and cycle.end == cycle.total_steps == 6 and steps.milestones == [3, 5]
    assert cfg.train_cfg.max_epochs == cfg.train_cfg.val_interval == 6


def test_runs_differ_in_switches_and_seeds(tmp_path, script, monkeypatch):
    seen = []

    def note(cfg):
        hooks = {hook.type: hook for hook in cfg.custom_hooks}
        fast = hooks.get('centernet_plugin.AccelerateHook', {})
        bf16 = cfg.optim_wrapper.type.endswith('AutocastOptimWrapper')
        compiled = fast.get('compile', False) or cfg.model.bbox_head.loss_heatmap.compile
        seen.append((fast.get('channels_last', False), bf16, compiled, cfg.randomness.seed))
        return {'coco/bbox_mAP': len(seen) / 100, 'seconds': 1.0}

    monkeypatch.setattr(script, 'run', note)
    options = ['--switches', 'channels last', 'bfloat16', '--seeds', '1', '2', '--seeds-alone', '3']
    argv = ['script', str(CONFIG), '--work-dir', str(tmp_path), *options]
    monkeypatch.setattr('sys.argv', argv)
    script.main()
    assert seen == [
        (False, False, False, 1),
        (False, False, False, 2),
        (True, True, False, 1),
        (True, True, False, 2),
        (True, False, False, 3),
        (False, True, False, 3),
    ]


def test_table_has_means_in_percent(script):
    rows = [{'coco/bbox_mAP': ap, 'seconds': seconds} for ap, seconds in ((0.2, 10), (0.5, 20))]
    table = script.table({'all off': rows})
    assert [list(column.cells) for column in table.columns] == [
        ['all off'], ['35.0'], ['20.0 50.0'], ['15']
    ]  # fmt: skip
