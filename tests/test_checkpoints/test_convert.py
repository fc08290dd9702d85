"""Whole conversions: what is written, and that nothing is where something went wrong."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.runner import load_checkpoint

import centernet_plugin
from centernet_plugin.checkpoints import convert, convert_file, summary
from centernet_plugin.checkpoints.configs import config_folder
from centernet_plugin.errors import UserInputError
from centernet_plugin.models import DLANet
from centernet_plugin.registry import MODELS

sys.path.insert(0, str(Path(__file__).parents[1]))
from official_weights import draw, without_values  # noqa: E402


def save(path, content):
    torch.save(content, path)
    return path


def lines(result):
    """The summary by its labels."""
    found = {}
    for line in summary(result).splitlines():
        label = line[:9].strip() or label  # noqa: F821  the line before has one
        found.setdefault(label, []).append(line[9:])
    return found


@pytest.fixture(scope='module')
def res_18():
    return draw('res_18_ctdet_coco')


def test_checkpoint_of_a_detector(tmp_path, res_18):
    source = dict(epoch=140, state_dict=res_18, optimizer={'state': {}, 'param_groups': []})
    result = convert_file(save(tmp_path / 'res.pth', source), tmp_path / 'ours.pth')
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    assert set(content) == {'meta', 'state_dict'}
    meta = content['meta']
    assert (meta['epoch'], meta['iter'], meta['seed']) == (140, 0, None)
    assert meta['centernet_plugin_version'] == centernet_plugin.__version__
    assert meta['experiment_name'] == 'centernet_r18_8xb16-warp512-140e_coco'
    assert len(meta['dataset_meta']['classes']) == len(meta['dataset_meta']['palette']) == 80
    assert meta['dataset_meta']['classes'][:2] == ('person', 'bicycle')
    assert meta['source']['architecture'] == 'res_18' and meta['source']['task'] == 'ctdet'
    assert meta['source']['file'] == 'res.pth'
    assert len(meta['time']) == len('20240101_120000')
    assert os.stat(tmp_path / 'ours.pth').st_mode & 0o777 == 0o666 & ~convert._umask()

    model = MODELS.build(Config.fromstring(meta['cfg'], '.py').model)
    model.load_state_dict(content['state_dict'], strict=True)
    text = lines(result)
    assert text['found'] == [
        'res_18: ResNet-18, plain up-convolution, detection, 80 classes, epoch 140'
    ]
    assert text['used'] == ['150 tensors, 15,820,372 parameters']
    assert text['dropped'] == ['optimizer: state of the training']
    assert text['names'] == ['taken for COCO because of its 80 classes']


def test_inferencer_needs_no_config(tmp_path, res_18):
    convert_file(save(tmp_path / 'res.pth', res_18), tmp_path / 'ours.pth')
    inferencer = DetInferencer(weights=str(tmp_path / 'ours.pth'), device='cpu')
    assert isinstance(inferencer.model, centernet_plugin.models.CenterNet)
    assert inferencer.model.dataset_meta['classes'][0] == 'person'
    image = np.random.RandomState(0).randint(0, 256, (60, 90, 3), dtype=np.uint8)
    (prediction,) = inferencer(image, no_save_vis=True)['predictions']
    assert len(prediction['scores']) == 100
    weight = inferencer.model.bbox_head.heads[0]['heatmap'][2].weight
    assert torch.equal(weight, res_18['hm.2.weight'])


def test_voc_and_its_input_size(tmp_path):
    source = save(tmp_path / 'ctdet_pascal_resdcn18_384.pth', draw('resdcn_18_ctdet_voc'))
    result = convert_file(source, tmp_path / 'ours.pth')
    meta = torch.load(tmp_path / 'ours.pth', weights_only=True)['meta']
    assert meta['dataset_meta']['classes'][0] == 'aeroplane'
    assert len(meta['dataset_meta']['classes']) == 20
    assert lines(result)['names'] == ['taken for Pascal VOC because of its 20 classes']
    config = lines(result)['config']
    assert config[0].endswith('centernet_r18-dcnv2_1xb32-warp384-70e_voc0712.py')
    assert config[1] == ('or, with the same network, centernet_r18-dcnv2_1xb32-warp512-70e_voc0712')


def with_classes(state, count):
    return state | {'hm.2.weight': torch.zeros(count, 64, 1, 1), 'hm.2.bias': torch.zeros(count)}


def test_options_for_what_no_config_has(tmp_path, res_18):
    source = save(tmp_path / 'a.pth', with_classes(res_18, 7))
    result = convert_file(source, tmp_path / 'ours.pth')
    assert lines(result)['config'][1] == '--cfg-options model.bbox_head.num_classes=7'
    meta = torch.load(tmp_path / 'ours.pth', weights_only=True)['meta']
    assert 'num_classes=7' in meta['cfg']


def test_settings_can_be_pasted_into_a_config(tmp_path, res_18):
    state = {k: v for k, v in with_classes(res_18, 7).items() if not k.startswith('reg.')}
    result = convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    introduction, settings = lines(result)['config'][1].split(': ', 1)
    assert introduction == 'with these settings, in a config that inherits it'
    text = f'_base_ = {str(result.choice.path)!r}\n{settings}\n'
    (tmp_path / 'child.py').write_text(text)
    config = Config.fromfile(tmp_path / 'child.py')
    assert config.model == result.choice.config.model
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    model = MODELS.build(config.model)
    model.load_state_dict(content['state_dict'], strict=True)


def test_unknown_names_are_not_those_of_coco(tmp_path, res_18):
    source = save(tmp_path / 'a.pth', with_classes(res_18, 7))
    result = convert_file(source, tmp_path / 'ours.pth')
    assert lines(result)['names'] == ['are not known; called class 0, class 1, ...']
    inferencer = DetInferencer(weights=str(tmp_path / 'ours.pth'), device='cpu')
    assert inferencer.model.dataset_meta['classes'] == tuple(f'class {i}' for i in range(7))


@pytest.mark.parametrize('count', [80, 79])
def test_names_of_the_file_are_used_only_for_as_many_classes(tmp_path, res_18, count):
    meta = dict(CLASSES=tuple(f'thing {i}' for i in range(count)))
    source = save(tmp_path / 'a.pth', dict(meta=meta, state_dict=res_18))
    result = convert_file(source, tmp_path / 'ours.pth')
    assert result.dataset['classes'][0] == ('thing 0' if count == 80 else 'person')
    assert ('names' in lines(result)) == (count != 80)


@pytest.mark.parametrize('count', [1, 2])
def test_names_of_kitti_are_for_three_classes(tmp_path, count):
    state = draw('dla_34_ddd')
    state |= {'hm.2.weight': torch.zeros(count, 256, 1, 1), 'hm.2.bias': torch.zeros(count)}
    result = convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    assert result.dataset == dict(classes=('class 0', 'class 1')[:count])


COCO = 'centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints'
KITTI = 'centernet_dla34-dcnv2_2xb8-warp1280x384-70e_kitti'


@pytest.mark.parametrize(('task', 'name'), [('multi_pose', COCO), ('ddd', KITTI)])
def test_pose_and_3d(tmp_path, task, name):
    source = save(tmp_path / 'a.pth', draw(f'dla_34_{task}'))
    result = convert_file(source, tmp_path / 'ours.pth')
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    meta, heads = content['meta'], content['meta']['source']['heads']
    assert meta['experiment_name'] == name and meta['source']['cfg_options'] == {}
    model = MODELS.build(Config.fromstring(meta['cfg'], '.py').model)
    model.load_state_dict(content['state_dict'], strict=True)
    assert {'heatmap', *(branch.name for branch in model.bbox_head.branches)} == set(heads)
    assert heads == (
        dict(heatmap=1, size=2, joints=34, offset=2, joint_heatmap=17, joint_offset=2)
        if task == 'multi_pose'
        else dict(heatmap=3, depth=1, orientation=8, dimension=3, size=2, offset=2)
    )
    text, dataset = lines(result), meta['dataset_meta']
    assert text['config'][0].endswith(f'{name}.py') and len(text['dropped']) == 2
    if task == 'ddd':
        assert dataset['classes'] == ('Pedestrian', 'Car', 'Cyclist')
        assert text['names'] == ['taken for KITTI because of its 3 classes']
        assert len(text['config']) == 1
    else:
        assert dataset['classes'] == ('person',) and dataset['keypoints'][0] == 'nose'
        assert len(dataset['keypoints']) == len(dataset['sigmas']) == 17 and dataset['skeleton']
        assert text['names'] == ["taken for COCO's persons because of its one class and 17 joints"]
        assert text['config'][1].endswith('-320e_coco-keypoints')


def test_pose_of_other_joints_and_classes(tmp_path):
    """Five joints, two classes: filled and pasted like any other settings."""
    state = draw('dla_34_multi_pose')
    for head, channels in dict(hm=2, hps=10, hm_hp=5).items():
        state |= {f'{head}.2.weight': torch.zeros(channels, 256, 1, 1)}
        state |= {f'{head}.2.bias': torch.zeros(channels)}
    result = convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    assert result.dataset == dict(classes=('class 0', 'class 1'))
    *_, settings, others, pairs = lines(result)['config']
    assert others.startswith('or, with') and pairs.startswith('flip_pairs, the joints that')
    settings = settings.split(': ', 1)[1]
    (tmp_path / 'child.py').write_text(f'_base_ = {str(result.choice.path)!r}\n{settings}\n')
    config = Config.fromfile(tmp_path / 'child.py')
    assert config.model == result.choice.config.model
    assert config.model.bbox_head.num_classes == 2
    joints = [b.num_joints for b in config.model.bbox_head.branches if 'num_joints' in b]
    assert joints == [5, 5]
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    MODELS.build(config.model).load_state_dict(content['state_dict'], strict=True)


def test_persons_are_known_by_their_joints(tmp_path):
    state = draw('dla_34_multi_pose')
    state |= {'hps.2.weight': torch.zeros(32, 256, 1, 1), 'hps.2.bias': torch.zeros(32)}
    state |= {'hm_hp.2.weight': torch.zeros(16, 256, 1, 1), 'hm_hp.2.bias': torch.zeros(16)}
    result = convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    assert result.dataset == dict(classes=('class 0',))


def hollow(model):
    """A ``state_dict`` that takes no memory: every tensor is one number, repeated."""
    state = without_values(model)
    return {key: torch.zeros((), dtype=v.dtype).expand(v.shape) for key, v in state.items()}


def test_extremenet_is_something_to_start_from(tmp_path):
    heads = ('hm.', 'wh.', 'reg.')
    state = hollow('hourglass_ctdet_coco')
    trunk = {f'module.{key}': v for key, v in state.items() if not key.startswith(heads)}
    layer = state['hm.0.1.weight']
    source = {**trunk, 'module.t_heats.0.1.weight': layer, 'module.ct_heats.1.1.weight': layer}
    path = tmp_path / 'ExtremeNet_500000.pkl'
    torch.save(source, path, _use_new_zipfile_serialization=False)
    result = convert_file(path, tmp_path / 'ours.pth')
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    assert 'cfg' not in content['meta'] and content['meta']['source']['task'] == 'exdet'
    with torch.device('meta'):
        model = MODELS.build(result.choice.config.model)
    missing, unexpected = model.load_state_dict(content['state_dict'], strict=False, assign=True)
    assert not unexpected and len(missing) == 2 * 3 * 4
    assert all(key.startswith('bbox_head.') for key in missing)
    text = lines(result)
    assert text['found'] == ['hourglass: 2 stacked hourglasses, ExtremeNet']
    assert '(t_heats, ct_heats)' in text['dropped'][0] and 'ExtremeNet' in text['dropped'][0]
    assert text['config'][1:] == [
        f'to start training from: --cfg-options load_from={tmp_path / "ours.pth"}'
    ]


def test_extremenet_of_one_stack(tmp_path):
    others = ('hm.', 'wh.', 'reg.', 'kps.1', 'cnvs.1', 'inters', 'cnvs_')
    state = hollow('hourglass_ctdet_coco')
    state = {key: value for key, value in state.items() if not key.startswith(others)}
    state['t_heats.0.1.weight'] = torch.zeros(1)
    result = convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    text = lines(result)
    assert text['found'] == ['hourglass: 1 hourglass, ExtremeNet']
    (line,) = text['config'][1:]  # argparse would keep only the last --cfg-options
    assert line.count('--cfg-options') == 1
    assert 'num_stacks=1' in line and 'load_from=' in line


def test_extremenet_of_another_network(tmp_path):
    heads = ('hm.', 'wh.', 'reg.')
    state = hollow('dla_34_ctdet_coco')
    state = {key: value for key, value in state.items() if not key.startswith(heads)}
    state['hm_t.2.weight'] = torch.zeros(1)
    result = convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    assert 'ExtremeNet' in summary(result) and 'Hourglass' not in summary(result)


def test_imagenet_backbone_loads_completely(tmp_path):
    state = {key: torch.randn(v.shape) for key, v in without_values('timm_dla34').items()}
    state = {k: v.long() if 'num_batches' in k else v for k, v in state.items()}
    result = convert_file(save(tmp_path / 'dla34.bin', state), tmp_path / 'ours.pth')
    text = lines(result)
    assert text['found'] == ['DLA-34, ImageNet classification']
    config = eval(text['config'][0], dict(dict=dict))
    assert config.pop('type') == 'centernet_plugin.DLANet'
    backbone = DLANet(**config)
    backbone.init_weights()
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, state[key]), key
    # The same by mmengine's loader, which is strict here.
    load_checkpoint(DLANet(), str(tmp_path / 'ours.pth'), strict=True)


def test_imagenet_backbone_of_other_input(tmp_path):
    state = DLANet(in_channels=1).state_dict()
    result = convert_file(save(tmp_path / 'dla34.bin', state), tmp_path / 'ours.pth')
    config = eval(lines(result)['config'][0], dict(dict=dict))
    assert config['in_channels'] == 1 and config['arch'] == '34'


def test_half_precision_becomes_single(tmp_path, res_18):
    state = {k: v.half() if v.is_floating_point() else v for k, v in res_18.items()}
    count = sum('num_batches' not in key for key in res_18)
    result = convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    written = torch.load(tmp_path / 'ours.pth', weights_only=True)['state_dict']
    assert {value.dtype for value in written.values()} == {torch.float32, torch.int64}
    assert lines(result)['used'][0].endswith(f'; {count} tensors of float16 made float32')


def test_weights_that_are_not_finite_are_not_written(tmp_path, res_18):
    state = res_18 | {'wh.2.bias': torch.tensor([0.0, float('nan')])}
    with pytest.raises(UserInputError, match="'wh.2.bias' has values that are infinite or not"):
        convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    assert not (tmp_path / 'ours.pth').exists()


def test_a_config_below_is_named_from_here(tmp_path, monkeypatch, res_18):
    source, configs = save(tmp_path / 'a.pth', res_18), config_folder().resolve()
    result = convert_file(source, tmp_path / 'ours.pth', configs=configs)
    monkeypatch.chdir(tmp_path)
    assert lines(result)['config'] == [str(result.choice.path)]
    monkeypatch.chdir(configs)
    assert lines(result)['config'] == ['centernet/centernet_r18_8xb16-warp512-140e_coco.py']


def test_nothing_is_written_unless_everything_fits(tmp_path, res_18):
    state = {key: value for key, value in res_18.items() if key != 'layer4.1.bn2.weight'}
    with pytest.raises(UserInputError, match='not complete: the model of centernet_r18_8xb16'):
        convert_file(save(tmp_path / 'a.pth', state), tmp_path / 'ours.pth')
    assert [path.name for path in tmp_path.iterdir()] == ['a.pth']


def test_destinations_that_cannot_be(tmp_path, res_18):
    source = save(tmp_path / 'a.pth', res_18)
    before = source.read_bytes()
    (tmp_path / 'link.pth').symlink_to(source)
    os.link(source, tmp_path / 'hard.pth')
    for name in ('a.pth', 'link.pth', 'hard.pth', 'sub/../a.pth'):
        (tmp_path / 'sub').mkdir(exist_ok=True)
        with pytest.raises(UserInputError, match='is the source itself'):
            convert_file(source, tmp_path / name)
    for name, message in {
        'sub': 'is a folder',
        'missing/ours.pth': r"the folder '.*missing' does not exist",
        'a.pth/ours.pth': 'does not exist',
        'n' * 300: 'cannot be written: File name too long',
        '/dev/null': 'is not a regular file',
        'ours.safetensors': 'choose a name that ends in .pth',
    }.items():
        with pytest.raises(UserInputError, match=message):
            convert_file(source, tmp_path / name)
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'a.pth',
        'hard.pth',
        'link.pth',
        'sub',
    ]


@pytest.mark.parametrize('existing', [False, True])
@pytest.mark.parametrize('stop', [OSError(28, 'No space left on device'), KeyboardInterrupt()])
def test_what_stops_the_writing_leaves_no_half_file(tmp_path, monkeypatch, res_18, stop, existing):
    source, destination = save(tmp_path / 'a.pth', res_18), tmp_path / 'ours.pth'
    if existing:
        destination.write_text('earlier')

    def half(content, file):
        file.write(b'half of it')
        raise stop

    monkeypatch.setattr(convert.torch, 'save', half)
    interrupted = isinstance(stop, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt if interrupted else UserInputError) as error:
        convert_file(source, destination)
    if not interrupted:
        assert "ours.pth' cannot be written: No space left on device" in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.pth'] + ['ours.pth'] * existing
    assert not existing or destination.read_text() == 'earlier'


def test_an_earlier_result_is_replaced(tmp_path, res_18):
    source, destination = save(tmp_path / 'a.pth', res_18), tmp_path / 'ours.pth'
    destination.write_text('earlier')
    convert_file(str(source), str(destination))
    assert 'state_dict' in torch.load(destination, weights_only=True)


def test_folder_of_configs_can_be_given(tmp_path, res_18):
    with pytest.raises(UserInputError, match='does not exist'):
        convert_file(save(tmp_path / 'a.pth', res_18), tmp_path / 'ours.pth', configs=tmp_path)
