"""A set laid out like VOCdevkit."""

from pathlib import Path

import cv2
import numpy as np

SIZE = 120, 160  # height, width
OBJECT = """<object><name>{}</name><difficult>{}</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""
CHANNELS = {'aeroplane': 0, 'bicycle': 1, 'bird': 2}  # the first classes, as perfect_network draws


def make_voc(root: Path, images: dict[tuple[str, str], list[list[tuple]]]) -> None:
    """Writes pictures of boxes with their annotations and lists.

    Args:
        root: of the years.
        images: year and split -> the objects of each image: class, difficult, and the corners as
            VOC counts them, from 1 and to the last pixel. The picture has the box as the dataset
            reads it, from 0 and up to its second corner.
    """
    number = 0
    for (year, split), rows in images.items():
        folder, names = root / f'VOC{year}', []
        for sub in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        for objects in rows:
            names.append(f'{number:06d}')
            number += 1
            write_image(folder, names[-1], objects)
        (folder / f'ImageSets/Main/{split}.txt').write_text('\n'.join(names) + '\n')


def write_image(folder: Path, name: str, objects: list[tuple]) -> None:
    height, width = SIZE
    image = np.zeros((height, width, 3), np.uint8)
    for kind, _, x1, y1, x2, y2 in objects:
        image[y1 - 1 : y2 - 1, x1 - 1 : x2 - 1, CHANNELS.get(kind, 0)] = 255
    # Readers go by the content: no loss although the layout wants the suffix.
    _, content = cv2.imencode('.png', image)
    (folder / f'JPEGImages/{name}.jpg').write_bytes(content.tobytes())
    size = f'<size><width>{width}</width><height>{height}</height><depth>3</depth></size>'
    rows = ''.join(OBJECT.format(*row) for row in objects)
    xml = f'<annotation><filename>{name}.jpg</filename>{size}{rows}</annotation>'
    (folder / f'Annotations/{name}.xml').write_text(xml)
