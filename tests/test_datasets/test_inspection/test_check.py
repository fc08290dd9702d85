"""Each finding by a set with exactly that defect; a clean set has none."""

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import ConfigDict
from PIL import Image
from tiny_set import BOXES, IMAGES, LOAD, META, PACK, SIDE, resize

from centernet_plugin.datasets import CocoDataset
from centernet_plugin.datasets.inspection.check import Options, check_split
from centernet_plugin.errors import UserInputError

SAMPLES = 12
OPTIONS = Options(stride=4, divisor=32, num_classes=2, max_per_img=100)


def check(tiny, split='train', options=OPTIONS, **kwargs):
    tiny.write()
    return check_split(tiny.config, split, options, num_samples=SAMPLES, num_pictures=2, **kwargs)


def found(result):
    return {finding.key: (finding.severity, finding.count) for finding in result.findings}


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_a_clean_set_has_no_findings(tiny, split):
    result = check(tiny, split)
    assert result.findings == []
    assert result.files.checked == IMAGES
    assert result.grids['at test'].objects == 4 * IMAGES
    # 24 x 24 pixels are 6 x 6 cells, 30 x 20 as many within rounding
    assert np.allclose(result.grids['at test'].side, [6, 600**0.5 / 4] * 24, atol=0.2)
    assert len(result.samples) == (SAMPLES if split == 'train' else 2)


SPOILT = {}


def spoil(**expected):
    """Registers a way to spoil the set, and the findings that come of it: key=(severity, n)."""

    def register(change):
        SPOILT[change.__name__] = change, {k.replace('_', '-'): v for k, v in expected.items()}
        return change

    return register


@spoil(unnamed_class=('warning', 1))
def class_not_in_config(tiny):
    tiny.data['categories'].append(dict(id=3, name='fish'))
    tiny.add([40, 40, 10, 10], category=3)


@spoil(absent_class=('warning', 1))
def class_without_objects(tiny):
    tiny.data['categories'].append(dict(id=3, name='fish'))
    tiny.dataset().metainfo.classes = ('cat', 'dog', 'fish')


@spoil(rare_class=('note', 1))
def few_objects(tiny):
    tiny.data['annotations'] = [
        a for a in tiny.data['annotations'] if a['category_id'] == 1 or a['image_id'] < 9
    ]


@spoil(unknown_image=('warning', 2))
def annotation_of_no_image(tiny):
    tiny.add([40, 40, 10, 10], image=999)
    tiny.add([40, 40, 10, 10], image='0')


@spoil(unknown_category=('warning', 1))
def annotation_of_no_category(tiny):
    tiny.add([40, 40, 10, 10], category=77)


@spoil(marked_ignore=('warning', 1))
def annotation_with_ignore(tiny):
    tiny.add([40, 40, 10, 10], ignore=1)


@spoil(outside=('warning', 1))
def box_outside(tiny):
    tiny.add([SIDE + 4, 10, 10, 10])


@spoil(no_extent=('warning', 3))
def box_without_extent(tiny):
    tiny.add([40, 40, 0, 10])
    tiny.add([40, 40, 10, 0.5])
    tiny.add([60, 60, -20, -20], area=400)  # two corners, wrongly ordered


@spoil(no_area=('warning', 1))
def area_of_zero(tiny):
    tiny.add([40, 40, 10, 10], area=0)


@spoil(beyond_border=('warning', 1), over_border=('note', 1))
def boxes_over_the_border(tiny):
    tiny.add([-6, 40, 20, 10])
    tiny.add([SIDE - 10, 40, 11, 10])
    tiny.add([SIDE - 10, 60, 10 + 1e-6, 10])  # noise


@spoil(repeated_box=('warning', 1))
def the_same_box_twice(tiny):
    tiny.add(BOXES['cat'][0])


@spoil(
    relabelled_box=('note', 1), shared_cell_test=('warning', 1), shared_cell_train=('warning', 1)
)
def the_same_box_of_two_classes(tiny):
    tiny.add(BOXES['cat'][0], category=2)


@spoil(same_cell_test=('warning', 1), same_cell_train=('warning', 1))
def two_centres_in_a_cell(tiny):
    x, y, w, h = BOXES['cat'][0]
    tiny.add([x - 4, y - 4, w + 8, h + 8])


@spoil(close_test=('note', 1), close_train=('note', 1))
def two_centres_in_neighbouring_cells(tiny):
    x, y, w, h = BOXES['cat'][0]
    tiny.add([x + 4, y + 4, w, h])


@spoil(small_test=('warning', 1), small_train=('warning', 1))
def object_smaller_than_a_cell(tiny):
    tiny.add([40, 40, 10, 3])


@spoil(empty_images=('note', 1))
def image_without_objects(tiny):
    tiny.data['annotations'] = [a for a in tiny.data['annotations'] if a['image_id'] != 5]


@spoil(repeated_image=('warning', 1))
def image_listed_twice(tiny):
    tiny.data['images'].append(tiny.data['images'][3] | dict(id=99))
    tiny.add([10, 10, 20, 20], image=99)


@spoil(missing_files=('error', 1), pipeline=('error', 1))
def missing_file(tiny):
    (tiny.root / 'img/07.jpg').unlink()


@spoil(missing_files=('error', IMAGES), load=('error', 1))
def wrong_folder(tiny):
    tiny.dataset().data_prefix.img = 'elsewhere/'


@spoil(unreadable_files=('error', 1), pipeline=('error', 1))
def empty_file(tiny):
    (tiny.root / 'img/07.jpg').write_bytes(b'')


@spoil(image_size=('error', 2))
def other_size_than_annotated(tiny):
    for i in (3, 4):
        tiny.data['images'][i]['width'] = 2 * SIDE


@spoil(turned_images=('error', 1))
def turned_by_exif(tiny):
    exif = Image.Exif()
    exif[274] = 6
    Image.new('RGB', (SIDE, SIDE + 16)).save(tiny.root / 'img/02.jpg', exif=exif)
    tiny.data['images'][2]['height'] = SIDE + 16


@spoil(same_content=('warning', 1))
def copy_of_a_file(tiny):
    (tiny.root / 'img/02.jpg').write_bytes((tiny.root / 'img/09.jpg').read_bytes())


@spoil(scale_gap=('warning', 1))
def tested_at_another_scale(tiny):
    tiny.dataset('test').pipeline[2].scale = (3 * SIDE, 3 * SIDE)


@spoil(scale_gap=('warning', 1), large_inputs=('note', IMAGES))
def tested_at_a_huge_scale(tiny):
    tiny.dataset('test').pipeline[2].scale = (2500, 2500)


@spoil(meta_scale_factor=('error', 1))
def scale_factor_not_packed(tiny):
    tiny.dataset('test').pipeline[2].scale = (SIDE + 32, SIDE)
    tiny.dataset('test').pipeline[-1].meta_keys = [key for key in META if key != 'scale_factor']


@spoil(meta_border=('error', 1))
def border_not_packed(tiny):
    tiny.dataset('test').pipeline[2] = ConfigDict(type='centernet_plugin.KeepResPad')
    tiny.dataset('test').pipeline[-1].meta_keys = [key for key in META if key != 'border']


@spoil(test_pipeline=('note', 1))
def unknown_test_pipeline(tiny):
    tiny.dataset('test').pipeline[2] = ConfigDict(type='mmdet.NoSuchTransform')


@spoil(no_batch=('error', 1))
def batch_too_large(tiny):
    tiny.config.train_dataloader.batch_size = IMAGES + 1


@spoil(pipeline=('error', SAMPLES))
def no_boxes_loaded(tiny):
    del tiny.dataset().pipeline[1]


@spoil(empty_samples=('warning', SAMPLES))
def pipeline_that_loses_the_objects(tiny):
    tiny.dataset().pipeline.insert(
        3, dict(type='mmdet.FilterAnnotations', min_gt_bbox_wh=(80, 80), keep_empty=False)
    )


@spoil(left_out=('note', 4))
def filtered_images(tiny):
    tiny.dataset().indices = 8
    for i, x in ((0, 4), (1, 4), (2, 4), (3, 4)):  # so that no class gets rare
        for category in (1, 2):
            tiny.add([x + 34, 30 * category, 12, 16], image=i, category=category)


@spoil(repeated_annotation_id=('error', 1), load=('error', 1))
def annotation_id_twice(tiny):
    tiny.add([40, 40, 10, 10], id=0)


@spoil(repeated_image_id=('error', 1), load=('error', 1), empty_images=('note', 1))
def image_id_twice(tiny):
    tiny.data['images'].append(tiny.data['images'][3] | dict(file_name='04.jpg'))
    tiny.data['images'].pop(4)
    tiny.data['annotations'] = [a for a in tiny.data['annotations'] if a['image_id'] != 4]


@spoil(repeated_category_name=('error', 1), load=('error', 1))
def category_name_twice(tiny):
    tiny.data['categories'].append(dict(id=3, name='cat'))


@spoil(broken_boxes=('error', 3), load=('error', 1))
def boxes_that_are_none(tiny):
    tiny.add([40, 40, 1, 1], bbox=[1, 2, 3])
    tiny.add([40, 40, 1, 1], bbox=None)
    tiny.add([40, 40, 1, 1], bbox=[1, 2, 3, float('nan')])


@spoil(load=('error', 1))
def classes_that_the_file_does_not_have(tiny):
    tiny.dataset().metainfo.classes = ('person', 'car')


@spoil(load=('error', 1))
def no_annotations(tiny):
    tiny.data['annotations'] = []


@spoil(no_objects=('error', 1))
def no_annotations_and_mmdet_s_dataset(tiny):
    tiny.data['annotations'] = []
    tiny.dataset().type = 'mmdet.CocoDataset'  # which does not mind


@spoil(load=('error', 1))
def everything_filtered(tiny):
    tiny.dataset().filter_cfg = dict(min_size=SIDE + 1)


@pytest.mark.parametrize('name', SPOILT)
def test_a_defect_is_found_and_nothing_else(tiny, name):
    change, expected = SPOILT[name]
    change(tiny)
    options = OPTIONS
    if name == 'class_without_objects':
        options = Options(divisor=32, num_classes=3)
    result = check(tiny, options=options, full='same-content' in expected)
    assert found(result) == expected
    severities = [finding.severity for finding in result.findings]
    assert severities == sorted(severities, key=('error', 'warning', 'note').index)


def test_what_the_model_says(tiny):
    options = Options(divisor=32, num_classes=3, max_per_img=3, stand_in_for='mmdet.FCOSHead')
    assert found(check(tiny, options=options)) == {
        'num-classes': ('error', 1),
        'crowded-images': ('warning', IMAGES),
        'other-head': ('note', 1),
    }


def test_evaluation_on_another_file(tiny):
    tiny.config.val_evaluator.ann_file = 'data/coco/annotations/instances_val2017.json'
    assert found(check(tiny, 'val')) == {'evaluator': ('error', 1)}
    assert found(check(tiny, 'test')) == {}


def test_a_truncated_image_is_found_without_decoding_all(tiny):
    path = tiny.root / 'img/06.jpg'
    path.write_bytes(path.read_bytes()[:-400])
    result = found(check(tiny))
    # Some versions of OpenCV decode the rest as grey, others refuse.
    assert result.pop('unreadable-files') == ('error', 1)
    assert set(result) <= {'pipeline'}


def test_ignored_objects_count_where_the_head_trains_on_them(tiny):
    x, y, w, h = BOXES['cat'][0]
    tiny.add([x - 4, y - 4, w + 8, h + 8], iscrowd=1)
    assert found(check(tiny)) == {}
    options = Options(divisor=32, num_classes=2, crowds_are_objects=True)
    expected = dict.fromkeys(('same-cell-test', 'same-cell-train'), ('warning', 1))
    assert found(check(tiny, options=options)) == expected
    assert check(tiny).samples[0].ignored.sum() == 1, 'images with crowds are shown first'


def test_wrappers(tiny):
    plain = tiny.dataset()
    wrapped = dict(type='RepeatDataset', times=3, dataset=plain)
    tiny.config.train_dataloader.dataset = wrapped
    result = check(tiny)
    assert result.findings == [] and len(result.split.table) == IMAGES

    # The same images twice, of which the files tell.
    tiny.config.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[plain, wrapped])
    result = check(tiny)
    assert found(result) == {'repeated-image': ('warning', IMAGES)}
    assert len(result.split.table) == 2 * IMAGES and len(result.split.raws) == 2


def test_joined_datasets_of_different_classes(tiny):
    plain = tiny.dataset()
    other = ConfigDict(plain, metainfo=dict(classes=('dog',)), ann_file='other.json')
    tiny.config.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[plain, other])
    for image in tiny.data['images']:
        image['file_name'] = f'../img/{image["file_name"]}'
    tiny.write('other.json')
    for image in tiny.data['images']:
        image['file_name'] = image['file_name'][7:]
    assert found(check(tiny)) == {'joined-classes': ('error', 1)}


@DATASETS.register_module()
class OwnRules(CocoDataset):
    """A dataset that drops the first object of every image, as its author likes."""

    def load_data_list(self):
        data = super().load_data_list()
        for info in data:
            del info['instances'][0]
        return data


@DATASETS.register_module()
class OwnFormat:
    """A dataset that nothing is known of but what it gives."""

    def __init__(self, pipeline):
        self.metainfo = dict(classes=('cat',))

    def __len__(self):
        return 2

    def get_data_info(self, index):
        box = dict(bbox=[0, 0, 8, 8], bbox_label=0)
        return dict(img_path=f's3://bucket/{index}.jpg', instances=[box])

    def __getitem__(self, index):
        raise OSError('no network')


def test_datasets_of_other_classes(tiny):
    tiny.dataset().type = 'OwnRules'
    result = found(check(tiny))
    assert result.pop('unexplained') == ('note', IMAGES)
    assert result == {'rare-class': ('note', 1)}

    tiny.config.train_dataloader.dataset = dict(type='OwnFormat', pipeline=[])
    tiny.config.train_dataloader.batch_size = 1
    result = check(tiny, options=Options(num_classes=1))
    assert found(result) == {'pipeline': ('error', SAMPLES), 'rare-class': ('note', 1)}
    assert result.files is None and result.grids['at test'].objects == 0


def test_mistakes_get_one_sentence(tiny):
    with pytest.raises(UserInputError, match='no train_dataloader'):
        check_split(type(tiny.config)(dict()), 'train', OPTIONS)
    tiny.dataset().ann_file = 'nowhere.json'
    with pytest.raises(UserInputError, match="nowhere.json' does not exist; set data_root"):
        check(tiny)


def test_seed(tiny):
    tiny.dataset().pipeline = [
        *LOAD,
        dict(type='centernet_plugin.RandomCropAffine', size=(64, 64), border=16),
        PACK,
    ]
    first, again, other = (check(tiny, seed=seed) for seed in (1, 1, 2))
    assert all(
        (a.boxes == b.boxes).all() for a, b in zip(first.samples, again.samples, strict=True)
    )
    assert (first.samples[0].image == again.samples[0].image).all()
    assert [s.path for s in first.samples] != [s.path for s in other.samples]


def test_boxes_of_test_samples_lie_in_the_input(tiny):
    """Whether the pipeline loads them before or after it scales the image."""
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    x, y, w, h = BOXES['dog'][0]
    square[y : y + h, x : x + w] = 255
    for image in tiny.data['images']:
        cv2.imwrite(str(tiny.root / 'img' / image['file_name']), square)
    steps = [resize(2 * SIDE), dict(type='centernet_plugin.KeepResPad')]
    for pipeline in ([*LOAD, *steps, PACK], [LOAD[0], *steps, LOAD[1], PACK]):
        tiny.dataset('val').pipeline = pipeline
        sample = check(tiny, 'val').samples[0]
        bright = sample.image[..., 0] > 128
        rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
        corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert np.allclose(sample.boxes[2], corners, atol=2)


def test_pictures_show_the_colours_before_they_are_normalised(tiny):
    plain = check(tiny).samples[0].image
    norm = dict(type='Normalize', mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4])
    for step in (dict(norm, to_rgb=True), dict(norm, to_rgb=False)):
        tiny.dataset().pipeline = [*LOAD, resize(SIDE), step, PACK]
        assert (check(tiny).samples[0].image == plain).all()
    grey = dict(LOAD[0], color_type='grayscale')
    tiny.dataset().pipeline = [grey, LOAD[1], resize(SIDE), PACK]
    image = check(tiny).samples[0].image
    assert image.shape == (SIDE, SIDE, 3) and np.ptp(image, axis=2).max() == 0
