"""model-index.yml and the metafiles list exactly the configs that are shipped."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def test_every_config_is_listed_under_its_basename():
    listed = {}
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    for metafile in index['Import']:
        for model in yaml.safe_load((ROOT / metafile).read_text())['Models']:
            listed[model['Config']] = model
    shipped = [p for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts]
    assert set(listed) == {str(path.relative_to(ROOT)) for path in shipped}
    for config, model in listed.items():
        assert model['Name'] == Path(config).stem
        processes, images = re.search(r'_(\d+)xb(\d+)-', config).groups()
        assert model['Metadata']['Batch Size'] == int(processes) * int(images)
        epochs = re.search(r'-(\d+)e_', config)
        if epochs:
            assert model['Metadata']['Epochs'] == int(epochs.group(1))


def test_basenames_are_unique():
    names = [path.name for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts]
    assert len(names) == len(set(names))
