"""model-index.yml and the metafiles list exactly the shipped configs, with their numbers."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
import yaml
from mmdet.registry import MODELS
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text())
METAFILES = [yaml.safe_load((ROOT / metafile).read_text()) for metafile in INDEX['Import']]
MODELS_LISTED = {model['Config']: model for file in METAFILES for model in file['Models']}
COLLECTIONS = {c['README']: c['Name'] for file in METAFILES for c in file['Collections']}
QUICK = (
    'configs/centernet/centernet_r18-dcnv2_1xb32-warp384-70e_voc0712.py',
    'configs/centernet/centernet_mobilenetv2_8xb16-modern-140e_coco.py',
    'configs/kitti/centernet_r18_1xb8-warp640x192-overfit_kitti16.py',
)
# Of the authors' model zoo: COCO val2017 plain / flip / multi-scale, VOC 2007 test with flip,
# keypoints of COCO val2017 with flip, KITTI's cars on the ground by difficulty.
AUTHORS_AP = {
    'r18-dcnv2_4xb28-warp512-140e_coco': '28.1 / 30.0 / 33.2',
    'r101-dcnv2_8xb12-warp512-140e_coco': '34.6 / 36.2 / 39.3',
    'dla34-dcnv2_8xb16-warp512-140e_coco': '36.3 / 38.2 / 40.7',
    'dla34-dcnv2_8xb16-warp512-230e_coco': '37.4 / 39.2 / 41.7',
    'hourglass104_8xb3-warp512-50e_coco': '40.3 / 42.2 / 45.1',
    'r18_8xb16-warp512-140e_coco': 'not published',
    'r101_8xb12-warp512-140e_coco': 'not published',
    'dla34_8xb16-warp512-140e_coco': 'not published',
    'r18-dcnv2_1xb32-warp384-70e_voc0712': '72.6',
    'r18-dcnv2_1xb32-warp512-70e_voc0712': '75.7',
    'r101-dcnv2_1xb32-warp384-70e_voc0712': '77.1',
    'r101-dcnv2_1xb32-warp512-70e_voc0712': '78.7',
    'dla34-dcnv2_1xb32-warp384-70e_voc0712': '79.3',
    'dla34-dcnv2_1xb32-warp512-70e_voc0712': '80.7',
    'dla34-dcnv2_8xb16-warp512-140e_coco-keypoints': '54.7',
    'dla34-dcnv2_8xb16-warp512-320e_coco-keypoints': '58.9',
    'hourglass104_8xb3-warp512-50e_coco-keypoints': '58.7',
    'hourglass104_8xb3-warp512-150e_coco-keypoints': '64.0',
    'dla34-dcnv2_2xb8-warp1280x384-70e_kitti': '34.0 / 30.5 / 26.8',
}


def test_every_config_is_listed_under_its_basename():
    shipped = [p for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts]
    assert set(MODELS_LISTED) == {str(path.relative_to(ROOT)) for path in shipped}
    for config, model in MODELS_LISTED.items():
        assert model['Name'] == Path(config).stem
        processes, images = re.search(r'_(\d+)xb(\d+)-', config).groups()
        assert model['Metadata']['Batch Size'] == int(processes) * int(images)
        epochs = re.search(r'-(\d+)e_', config)
        if epochs:
            assert model['Metadata']['Epochs'] == int(epochs.group(1))
        folder = Path(config).parent
        assert model['In Collection'] == COLLECTIONS[str(folder / 'README.md')]


def test_basenames_are_unique():
    names = [path.name for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('path', MODELS_LISTED, ids=lambda p: Path(p).stem)
def test_parameters(path):
    config = Config.fromfile(ROOT / path)
    with torch.device('meta'):
        model = MODELS.build(config.model)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == MODELS_LISTED[path]['Metadata']['Parameters']


@pytest.mark.parametrize(
    'path',
    [p if p in QUICK else pytest.param(p, marks=pytest.mark.slow) for p in MODELS_LISTED],
    ids=lambda p: Path(p).stem,
)
def test_flops(path):
    """They are those of the tool, at the size of the training input."""
    script = ROOT / 'tools/analysis_tools/get_flops.py'
    spec = importlib.util.spec_from_file_location(script.stem, script)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    config = Config.fromfile(ROOT / path)
    names = ('RandomCropAffine', 'RandomShiftScaleAffine', 'FixResAffine')
    (warp,) = [step for step in config.train_pipeline if step.type.endswith(names)]
    _, flops, _ = tool.count(tool.build(config), warp.size[::-1])
    assert flops == MODELS_LISTED[path]['Metadata']['FLOPs']


@pytest.mark.parametrize('path', MODELS_LISTED, ids=lambda p: Path(p).stem)
def test_readme_has_a_row_with_the_same_numbers(path):
    """Small sets have a section of their own instead of a row."""
    text = (ROOT / path).with_name('README.md').read_text()
    (line,) = [line for line in text.splitlines() if f']({Path(path).name})' in line]
    if path.endswith(('_coco.py', '_voc0712.py', '_coco-keypoints.py', '_kitti.py')):
        numbers = MODELS_LISTED[path]['Metadata']
        cells = [cell.strip() for cell in line.split('|')]
        assert f'{numbers["Parameters"] / 1e6:.1f}' in cells
        assert f'{numbers["FLOPs"] / 1e9:.1f}' in cells
        authors, ours = cells[-4:-2]  # then the link, and what follows the last |
        assert authors == AUTHORS_AP.get(Path(path).stem.removeprefix('centernet_'), '-')
        assert ours == '-'
