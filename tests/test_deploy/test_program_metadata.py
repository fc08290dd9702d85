"""What a file says about itself."""

from pathlib import Path

from mmengine.config import Config
from small_detectors import detector

from centernet_plugin.deploy.detector_graph import DetectorGraph
from centernet_plugin.deploy.program_metadata import describe, motions, notes, placement

CONFIGS = sorted((Path(__file__).parents[2] / 'configs').glob('[!_]*/*.py'))


def test_every_shipped_config_says_how_images_are_placed():
    for path in CONFIGS:
        assert placement(Config.fromfile(path)) is not None, path.stem


def test_an_unknown_step_is_not_guessed():
    steps = [dict(type='LoadImageFromFile'), dict(type='mmdet.Resize', scale=(64, 32))]
    resize = dict(type='Resize', scale=(64, 32), keep_ratio=False)
    assert placement(Config(dict(test_pipeline=steps))) == resize
    assert placement(Config(dict(test_pipeline=[*steps, dict(type='Pad')]))) is None
    assert placement(Config(dict(test_pipeline=[dict(steps[1], backend='pillow')]))) is None
    assert placement(Config(dict(test_pipeline=[dict(steps[0], color_type='grayscale')]))) is None
    assert placement(Config(dict(test_pipeline=[dict(type='LoadAndCrop'), steps[1]]))) is None
    assert placement(None) is None


def test_a_number_is_a_square():
    steps = [dict(type='LoadImageFromFile'), dict(type='mmdet.Resize', scale=64)]
    assert placement(Config(dict(test_pipeline=steps)))['scale'] == (64, 64)


def test_how_fields_move_is_found_by_trying():
    graph = DetectorGraph(detector('resnet', 'all', 1))
    values = ('scores', 'labels', 'keypoint_scores', 'depths', 'locations', 'dimensions', 'alphas')
    expected = dict.fromkeys([*values, 'rotations_y'], 'value')
    assert motions(graph) == expected | dict(boxes='position', keypoints='position')
    assert sorted(graph.camera_fields) == ['locations', 'rotations_y']


def test_what_moves_otherwise_is_said_to(monkeypatch):
    """The published mistake of 3D sends sizes through the transform of points."""
    graph = DetectorGraph(detector('resnet'))
    size = graph.head.branches[0]
    monkeypatch.setattr(size, 'as_point', True)
    assert motions(graph)['boxes'] == 'other'
    decode = size.decode
    lengths = dict(velocity=lambda values, to_image: to_image.lengths(values))
    monkeypatch.setattr(size, 'as_point', False)
    monkeypatch.setattr(
        size,
        'decode',
        lambda values, peaks, to_image: (
            decode(values, peaks, to_image)
            | {name: rule(values, to_image) for name, rule in lengths.items()}
        ),
    )
    assert motions(graph)['velocity'] == 'length'


def test_statistics_are_in_the_order_of_their_channels():
    about = describe(DetectorGraph(detector('resnet')), None, ('a', 'b', 'c'))
    assert about['channel_order'] == '"BGR"' and about['network_channel_order'] == '"RGB"'
    assert about['mean'] == '[100.0, 110.0, 120.0]'
    assert about['pad_pixel'] == '[120.0, 110.0, 100.0]'  # of the input
    assert about['size_divisor'] == '32' and about['resize'] == 'null'


def test_what_the_file_leaves_to_its_user_is_said(monkeypatch):
    graph = DetectorGraph(detector('resnet'))
    config = Config(dict(test_pipeline=[dict(type='mmdet.Resize', scale=(64, 32))]))
    assert notes(graph, describe(graph, config, ('a', 'b', 'c'))) == []
    monkeypatch.setattr(graph.head.branches[0], 'as_point', True)
    graph.head.test_cfg['nms'] = dict(type='nms', iou_threshold=0.5)
    nms, boxes, resize = notes(graph, describe(graph, None, ('a', 'b', 'c')))
    assert 'nms' in nms and 'boxes' in boxes and 'places an image' in resize
    assert graph.topk == 40  # what suppression starts from
