"""A small clean set and its config, to be spoilt in one way at a time."""

import json

import cv2
import numpy as np
from mmengine.config import Config

IMAGES = 12
SIDE = 96
BOXES = {  # x, y, width, height of the four objects of every image, by class
    'cat': ([8, 8, 24, 24], [56, 8, 30, 20]),
    'dog': ([8, 56, 20, 30], [56, 56, 24, 24]),
}
META = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border')
LOAD = [dict(type='LoadImageFromFile'), dict(type='mmdet.LoadAnnotations', with_bbox=True)]
PACK = dict(type='mmdet.PackDetInputs', meta_keys=META)


def resize(side):
    return dict(type='mmdet.Resize', scale=(side, side), keep_ratio=False)


class TinySet:
    """``data`` is the annotation file and ``config`` the config; change them, then ``write``."""

    def __init__(self, root):
        self.root = root
        (root / 'img').mkdir()
        rng = np.random.default_rng(0)
        images, annotations = [], []
        for i in range(IMAGES):
            name = f'{i:02d}.jpg'
            picture = rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8)
            cv2.imwrite(str(root / 'img' / name), picture)
            images.append(dict(id=i, file_name=name, width=SIDE, height=SIDE))
            for category, boxes in enumerate(BOXES.values(), 1):
                for box in boxes:
                    annotations.append(annotation(len(annotations), i, category, box))
        categories = [dict(id=i, name=name) for i, name in enumerate(BOXES, 1)]
        self.data = dict(images=images, annotations=annotations, categories=categories)
        dataset = dict(
            type='centernet_plugin.CocoDataset',
            data_root=str(root),
            ann_file='ann.json',
            data_prefix=dict(img='img/'),
            metainfo=dict(classes=tuple(BOXES)),
        )
        test = dict(dataset=dict(dataset, test_mode=True, pipeline=[*LOAD, resize(SIDE), PACK]))
        self.config = Config(
            dict(
                model=dict(
                    data_preprocessor=dict(pad_size_divisor=32),
                    bbox_head=dict(
                        type='centernet_plugin.CenterNetHead', num_classes=2, in_channels=8
                    ),
                ),
                train_dataloader=dict(
                    batch_size=4,
                    drop_last=True,
                    dataset=dict(dataset, pipeline=[*LOAD, resize(SIDE), PACK]),
                ),
                val_dataloader=test,
                test_dataloader=test,
                val_evaluator=dict(type='mmdet.CocoMetric', ann_file=str(root / 'ann.json')),
                test_evaluator=dict(type='mmdet.CocoMetric', ann_file=str(root / 'ann.json')),
            )
        )

    def add(self, box, image=0, category=1, **fields):
        self.data['annotations'].append(
            annotation(len(self.data['annotations']), image, category, box) | fields
        )

    def dataset(self, split='train'):
        return self.config[f'{split}_dataloader'].dataset

    def write(self, name='ann.json'):
        (self.root / name).write_text(json.dumps(self.data))


def annotation(number, image, category, box):
    area = box[2] * box[3]
    return dict(id=number, image_id=image, category_id=category, bbox=box, area=area, iscrowd=0)
