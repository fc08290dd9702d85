"""Published weights, converted by the command, give the outputs of the original code.

Every network, stack and head of the original; the config is the one that the command prints.
"""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, DictAction

from centernet_plugin.registry import MODELS

TESTS = Path(__file__).parents[1]
COMMAND = TESTS.parent / 'tools/model_converters/official_to_plugin.py'
sys.path.insert(0, str(TESTS))
from official_weights import load_case  # noqa: E402

CASES = {
    'res_18_ctdet_coco': 'centernet_r18_8xb16-warp512-140e_coco',
    'resdcn_18_ctdet_coco': 'centernet_r18-dcnv2_4xb28-warp512-140e_coco',
    'dla_34_ctdet_coco': 'centernet_dla34-dcnv2_8xb16-warp512-140e_coco',
    'dlav0_34_ctdet_coco': 'centernet_dla34_8xb16-warp512-140e_coco',
    'hourglass_ctdet_coco': 'centernet_hourglass104_8xb3-warp512-50e_coco',
    'dla_34_multi_pose': 'centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints',
    'dla_34_ddd': 'centernet_dla34-dcnv2_2xb8-warp1280x384-70e_kitti',
}
HEADS = {
    'hm': 'heatmap',
    'wh': 'size',
    'reg': 'offset',
    'hps': 'joints',
    'hm_hp': 'joint_heatmap',
    'hp_offset': 'joint_offset',
    'dep': 'depth',
    'rot': 'orientation',
    'dim': 'dimension',
}


def printed_config(text):
    """The config that the command names, with the options that it names."""
    lines = text.splitlines()
    path = Path(next(line[9:] for line in lines if line.startswith('config ')))
    config = Config.fromfile(path)
    for line in lines:
        if line[9:].startswith('--cfg-options '):
            words = (word.partition('=') for word in line.split()[1:])
            config.merge_from_dict({k: DictAction._parse_iterable(v) for k, _, v in words})
    return path.stem, config


@pytest.mark.parametrize('case', CASES)
def test_outputs_of_the_original(case, tmp_path, capsys):
    checkpoint, image, expected = load_case(case)
    torch.save(checkpoint, tmp_path / 'published.pth')
    del checkpoint
    files = [str(tmp_path / 'published.pth'), str(tmp_path / 'ours.pth')]
    runpy.run_path(str(COMMAND))['main'](files)
    name, config = printed_config(capsys.readouterr().out)
    assert name == CASES[case]

    with torch.device('meta'):  # drawing weights first, only to replace them, takes its time
        model = MODELS.build(config.model).eval()
    converted = torch.load(tmp_path / 'ours.pth', weights_only=True)
    model.load_state_dict(converted['state_dict'], strict=True, assign=True)
    del converted
    for path in files:  # up to 0.7 GB each
        Path(path).unlink()

    compared = set()
    for dtype, bound in ((torch.float32, 2e-3), (torch.float64, 1e-6)):
        with torch.no_grad():
            stacks = model.to(dtype)(image.to(dtype), mode='tensor')
        for key, target in expected.items():
            stack, _, head = key.removeprefix('stack').partition('.')
            output = stacks[int(stack)][HEADS[head]]
            assert (output - target).abs().max() <= bound * target.abs().max(), (key, dtype)
            compared.add((int(stack), HEADS[head]))
        assert compared == {(i, head) for i, maps in enumerate(stacks) for head in maps}
