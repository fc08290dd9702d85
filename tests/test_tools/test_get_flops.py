"""What the counter counts, by hand; and what the script prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from centernet_plugin.models.layers.deform_conv import ModulatedDeformConv2d

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools/analysis_tools/get_flops.py'
R18 = 'configs/centernet/centernet_r18_8xb16-warp512-140e_coco.py'
R18_DCN = 'configs/centernet/centernet_r18-dcnv2_4xb28-warp512-140e_coco.py'


@pytest.fixture
def tool(load_script):
    return load_script(SCRIPT)


def test_layers_by_hand(tool):
    """8 x 12 cells, 3 channels to 16."""
    cells, weights = 8 * 12, 9 * 3 * 16
    params, flops, _ = tool.count(nn.Conv2d(3, 16, 3, padding=1), (8, 12))
    assert (params, flops) == (weights + 16, cells * weights)

    # Offsets and mask are a convolution to 27 channels; 9 taps of 3 channels are read at 4 each.
    params, flops, rest = tool.count(ModulatedDeformConv2d(3, 16, padding=1), (8, 12))
    assert params == weights + 16 + 9 * 3 * 27 + 27
    assert flops == cells * (weights + 9 * 3 * 27 + 4 * 9 * 3)
    assert {'mul', 'sigmoid'} <= rest

    # A transposed convolution multiplies once per input cell.
    up = nn.ConvTranspose2d(3, 16, 4, stride=2, padding=1, bias=False)
    _, flops, _ = tool.count(nn.Sequential(up, nn.BatchNorm2d(16)).eval(), (8, 12))
    assert flops == cells * (16 * 3 * 16) + 2 * 4 * cells * 16


def test_frozen_parameters_are_not_counted(tool):
    layer = nn.Conv2d(3, 4, 1)
    layer.bias.requires_grad_(False)
    assert tool.count(layer, (2, 2))[0] == 12


@pytest.mark.door
def test_prints_a_table_without_data_or_weights():
    command = [sys.executable, str(SCRIPT), R18, R18_DCN, '--shape', '64', '96']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r'^(centernet\S+) +([\d.]+) M +([\d.]+) GFLOPs$', done.stdout, re.MULTILINE)
    assert [name for name, _, _ in rows] == [Path(R18).stem, Path(R18_DCN).stem]
    assert [params for _, params, _ in rows] == ['15.82', '14.44']
    # Of those at 512 x 512 (metafile.yml), by area: 64 x 96 is 3 / 128 of it.
    assert [float(flops) for _, _, flops in rows] == [
        pytest.approx(of * 3 / 128, abs=0.01) for of in (22.753, 13.373)
    ]
    assert 'Image of 64 x 96' in done.stdout and 'Not counted: ' in done.stdout


@pytest.mark.parametrize(
    ('args', 'sentence'),
    [
        (['nowhere.py'], "config 'nowhere.py' does not exist"),
        ([str(ROOT / R18), '--shape', '0', '64'], '--shape must be positive'),
        ([str(ROOT / 'README.md')], "README.md' is not a .py"),
        ([str(ROOT / 'configs/_base_/default_runtime.py')], 'has no model'),
        (
            [str(ROOT / R18), '--cfg-options', 'model.neck.in_channels=3'],
            'does not run on an image of 512 x 512',
        ),
        (
            [
                str(ROOT / R18),
                '--shape',
                '64',
                '96',
                '--cfg-options',
                'model.backbone.in_channels=1',
            ],
            'does not run on an image of 64 x 96',
        ),
    ],
)
def test_mistakes_get_one_sentence(tool, call_script, args, sentence):
    code, printed = call_script(tool, *args)
    assert code == 2
    assert sentence in printed.err
