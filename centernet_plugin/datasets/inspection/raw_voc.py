"""Pascal VOC's layout, a list of names and one XML file per image, as arrays."""

import os.path as osp
import xml.etree.ElementTree as ElementTree

import numpy as np
from mmengine.fileio import get_text, list_from_file

from ...errors import UserInputError
from .annotations import Annotations
from .finding import Finding, count_of
from .raw import RawAnnotations

Object = tuple[str, list[int], bool]  # class name, box, difficult


def read_voc(
    path: str,
    root: str,
    image_folder: str = 'JPEGImages',
    xml_folder: str = 'Annotations',
    backend_args: dict | None = None,
) -> RawAnnotations:
    """Everything in the XML files of a list.

    Coordinates as mmdet reads them: cut to integers, and one less, because VOC counts from 1.

    Args:
        path: text file with one image name per line, without suffix.
        root: folder of the two folders.
        image_folder, xml_folder: names of the folders.
        backend_args: where mmengine is to look for the files.

    Raises:
        UserInputError: there is no such list.
    """
    try:
        names = list_from_file(path, backend_args=backend_args)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserInputError(
            f"'{path}', the list of the images, does not exist; set data_root and ann_file of the "
            'dataset to where your lists are'
        ) from error
    sizes, counts, objects = [], [], []
    missing, broken = [], []
    for name in names:
        size, found = (0, 0), []
        xml = osp.join(root, xml_folder, f'{name}.xml')
        try:
            size, found = parse_xml(get_text(xml, backend_args=backend_args))
        except FileNotFoundError:
            missing.append(xml)
        except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
            broken.append(f'{xml}: {error}')
        sizes.append(size)
        counts.append(len(found))
        objects += found
    label_of: dict[str, int] = {}
    labels = [label_of.setdefault(name, len(label_of)) for name, _, _ in objects]
    table = Annotations(
        # mmdet's loader knows no other suffix.
        paths=[osp.join(root, image_folder, f'{name}.jpg') for name in names],
        ids=names,
        sizes=np.array(sizes, np.int64).reshape(-1, 2),
        image=np.repeat(np.arange(len(names)), counts),
        boxes=np.array([box for _, box, _ in objects], np.float64).reshape(-1, 4),
        labels=np.array(labels, np.int64),
        ignored=np.array([difficult for _, _, difficult in objects], bool),
        classes=tuple(label_of),
    )
    return RawAnnotations(
        source=path,
        table=table,
        marked=np.zeros(len(objects), bool),
        area=np.full(len(objects), np.nan),
        findings=[
            *_of_files('missing-xml', missing, 'not there: add it'),
            *_of_files('broken-xml', broken, "not readable as VOC's annotations: repair it"),
        ],
    )


def parse_xml(text: str) -> tuple[tuple[int, int], list[Object]]:
    """Image size (width, height), zeros where it is not given, and objects of one file.

    Raises:
        ParseError: not XML.
        ValueError: an object without a name or without a box.
    """
    tree = ElementTree.fromstring(text)
    size = tuple(int(tree.findtext(f'size/{side}') or 0) for side in ('width', 'height'))
    objects = []
    for item in tree.findall('object'):
        name = item.findtext('name')
        corners = [item.findtext(f'bndbox/{key}') for key in ('xmin', 'ymin', 'xmax', 'ymax')]
        if name is None or None in corners:
            raise ValueError(f'an object without {"name" if name is None else "bndbox"}')
        box = [int(float(value)) - 1 for value in corners]
        objects.append((name, box, bool(int(item.findtext('difficult') or 0))))
    return size, objects


def _of_files(key: str, files: list[str], what: str) -> list[Finding]:
    if not files:
        return []
    number = count_of(len(files), 'listed XML file')
    message = f'{number} {what}, or take the name off the list; mmdet stops there.'
    return [Finding('error', key, message, len(files), tuple(files[:3]))]
