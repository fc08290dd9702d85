"""Other people's annotations to COCO's format.

``read_csv``, ``read_yolo`` and ``read_voc`` give a :class:`BoxSet`, ``build_coco`` COCO's
dictionaries of it; a :class:`Tally` counts what is lost on the way.
"""

from .boxes import PIXELS, Box, BoxSet, Entry
from .coco_json import build_coco, divide, write_coco
from .csv_file import read_csv
from .csv_table import CsvOptions
from .image_folder import ImageFolder
from .tally import Tally
from .voc_layout import VocLayout, find_voc
from .voc_set import read_voc
from .yolo_layout import YoloLayout, find_yolo
from .yolo_set import read_yolo

__all__ = [
    'PIXELS',
    'Box',
    'BoxSet',
    'CsvOptions',
    'Entry',
    'ImageFolder',
    'Tally',
    'VocLayout',
    'YoloLayout',
    'build_coco',
    'divide',
    'find_voc',
    'find_yolo',
    'read_csv',
    'read_voc',
    'read_yolo',
    'write_coco',
]
