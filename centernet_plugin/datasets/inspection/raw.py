"""The annotation files themselves, before a dataset class drops what it does not like."""

from dataclasses import dataclass, field

import numpy as np
from mmdet.datasets import CocoDataset, XMLDataset

from .annotations import Annotations
from .finding import Finding


@dataclass
class RawAnnotations:
    """An annotation file as it stands. Legend: N objects.

    Attributes:
        source: file.
        table: everything in it; classes are the file's own.
        marked: objects that the file tells to ignore. (N,), bool
        area: area that the file gives, NaN where it gives none. (N,), float64
        findings: what is wrong with the file's structure.
        unknown_images, unknown_categories: identifiers that annotations name and that are not
            there.
    """

    source: str
    table: Annotations
    marked: np.ndarray
    area: np.ndarray
    findings: list[Finding] = field(default_factory=list)
    unknown_images: list = field(default_factory=list)
    unknown_categories: list = field(default_factory=list)


def read_raw(dataset) -> RawAnnotations | None:
    """The file behind a dataset that need not be loaded yet.

    Args:
        dataset: without wrapper.

    Returns:
        None for a dataset that is not mmdet's COCO or XML (VOC) one, or reads its file in a way of
        its own.

    Raises:
        UserInputError: the file is not there or not of its format.
    """
    from .raw_coco import read_coco
    from .raw_voc import read_voc

    if follows(dataset, CocoDataset):
        folder = dataset.data_prefix.get('img', '')
        return read_coco(dataset.ann_file, folder, dataset.backend_args)
    if follows(dataset, XMLDataset):
        root = dataset.sub_data_root
        folders = (dataset.img_subdir, dataset.ann_subdir)
        return read_voc(dataset.ann_file, root, *folders, dataset.backend_args)
    return None


def follows(dataset, parent: type) -> bool:
    """Whether ``dataset`` parses its entries as ``parent`` does, further fields apart."""
    from ..coco import CocoDataset as OurCocoDataset
    from ..coco_pose import CocoPoseDataset

    own = type(dataset).parse_data_info
    known = (OurCocoDataset.parse_data_info, CocoPoseDataset.parse_data_info)
    same = own is parent.parse_data_info or own in known
    return isinstance(dataset, parent) and same
