"""Draws ``idea.svg``: what the network learns of an image of the generated set.

    python docs/pictures/draw_idea.py

The heat-map is the training target as the package computes it, the numbers are those of the image.
"""

import base64
import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from centernet_plugin.datasets.synthetic import generate
from centernet_plugin.models.functional.gaussian import draw_gaussians, gaussian_radius

OUT = Path(__file__).with_name('idea.svg')
SIDE, STRIDE = 160, 4  # pixels of the image, and of a cell
PANEL, GAP, TOP = 288, 24, 34  # pixels of the picture
SCALE = PANEL / SIDE
NUM_IMAGES, IMAGE = 16, 13  # of the validation images
FOCUS = (98, 123)  # pixel in the object that the third panel shows
ZOOM = 15  # cells along the side of the third panel
STYLE = (
    '.box{fill:none;stroke:#ffd24d;stroke-width:2}'
    '.line{stroke:#d00000;stroke-width:2;fill:none}'
    '.cell{fill:none;stroke:#ff3030;stroke-width:1.5}'
    '.both{marker-start:url(#tip);marker-end:url(#tip)}'
    '.grid{stroke:#fff;stroke-opacity:.45;stroke-width:1}'
    '.red{fill:#d00000}'
)
TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse" markerUnits="userSpaceOnUse">'
    '<path d="M0 0L8 4L0 8z" class="red"/></marker>'
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        generate(folder, num_train=1, num_val=NUM_IMAGES, image_size=(SIDE, SIDE), progress=False)
        found = json.loads((Path(folder) / 'annotations/instances_val.json').read_text())
        info = found['images'][IMAGE]
        image = cv2.imread(str(Path(folder) / 'val' / info['file_name']))
    boxes = [
        np.array(ann['bbox'])
        for ann in found['annotations']
        if ann['image_id'] == info['id'] and not ann['iscrowd']
    ]
    OUT.write_text(picture(image, boxes, heatmap(boxes)))
    print(OUT)


def heatmap(boxes: list[np.ndarray]) -> np.ndarray:
    """The training target, all classes in one map. (H, W) in cells, from 0 to 1"""
    sides = torch.tensor(np.array(boxes)[:, 2:] / STRIDE, dtype=torch.float32).ceil()
    centers = np.array([center(box) / STRIDE for box in boxes])
    radii = gaussian_radius(sides[:, 1], sides[:, 0]).floor()
    canvas = torch.zeros(1, SIDE // STRIDE, SIDE // STRIDE)
    draw_gaussians(canvas, torch.tensor(centers).long(), radii, torch.zeros(len(boxes)).long())
    return canvas[0].numpy()


def center(box: np.ndarray) -> np.ndarray:
    return box[:2] + box[2:] / 2


def picture(image: np.ndarray, boxes: list[np.ndarray], heat: np.ndarray) -> str:
    box = min(boxes, key=lambda box: np.abs(center(box) - FOCUS).sum())
    width = 3 * PANEL + 2 * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + PANEL + 56}" '
        f'font-family="sans-serif" font-size="14">',
        '<title>An image, its heat-map, and what is read at the peak of one object</title>',
        f'<style>{STYLE}</style>',
        f'<defs>{TIP}<image id="photo" width="{SIDE}" height="{SIDE}" '
        f'href="{data_url(image, ".jpg")}"/></defs>',
        f'<rect width="{width}" height="{TOP + PANEL + 56}" fill="#fff"/>',
        *first_panel(boxes),
        *second_panel(heat, boxes),
        *third_panel(box),
        '</svg>',
    ]
    return '\n'.join(parts) + '\n'


def first_panel(boxes: list[np.ndarray]) -> list[str]:
    rects = [
        '<rect class="box" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'.format(
            *(SCALE * box)
        )
        for box in boxes
    ]
    photo = f'<use href="#photo" transform="scale({SCALE})"/>'
    return panel(0, 'image and annotated boxes', f'{SIDE} x {SIDE} pixels', [photo, *rects])


def second_panel(heat: np.ndarray, boxes: list[np.ndarray]) -> list[str]:
    colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)
    grid = (
        f'<image width="{PANEL}" height="{PANEL}" style="image-rendering:pixelated" '
        f'href="{data_url(colours, ".png")}"/>'
    )
    side = SCALE * STRIDE
    peaks = []
    for box in boxes:
        x, y = side * np.floor(center(box) / STRIDE)
        peaks.append(
            f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}"/>'
        )
    size = SIDE // STRIDE
    return panel(1, 'heat-map: one peak per object', f'{size} x {size} cells', [grid, *peaks])


def third_panel(box: np.ndarray) -> list[str]:
    exact = center(box) / STRIDE
    cell = np.floor(exact)
    offset = exact - cell
    start = cell - ZOOM // 2  # the cell in the upper left corner of the window
    side = PANEL / ZOOM
    scale = side / STRIDE
    x0, y0 = -STRIDE * start * scale
    lines = [
        f'<path class="grid" d="M{side * i:.1f} 0V{PANEL}M0 {side * i:.1f}H{PANEL}"/>'
        for i in range(1, ZOOM)
    ]
    corner, point = side * (cell - start), side * (exact - start)
    left, top = (box[:2] / STRIDE - start) * side
    right, bottom = left + box[2] * scale, top + box[3] * scale
    content = [
        f'<g transform="translate({x0:.1f} {y0:.1f}) scale({scale:.3f})"><use href="#photo"/></g>',
        *lines,
        f'<rect class="box" x="{left:.1f}" y="{top:.1f}" '
        f'width="{right - left:.1f}" height="{bottom - top:.1f}"/>',
        f'<path class="line both" d="M{left:.1f} {bottom + 12:.1f}H{right:.1f}"/>',
        f'<path class="line both" d="M{right + 12:.1f} {top:.1f}V{bottom:.1f}"/>',
        f'<rect class="cell" x="{corner[0]:.1f}" y="{corner[1]:.1f}" '
        f'width="{side:.1f}" height="{side:.1f}" style="fill:#fff;fill-opacity:.6"/>',
        f'<path class="line" marker-end="url(#tip)" '
        f'd="M{corner[0]:.1f} {corner[1]:.1f}L{point[0]:.1f} {point[1]:.1f}"/>',
        f'<circle class="red" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="3"/>',
    ]
    text = f'cell ({cell[0]:.0f}, {cell[1]:.0f}), offset ({offset[0]:.2f}, {offset[1]:.2f})'
    size = f'size {box[2]:.0f} x {box[3]:.0f} pixels, read at the same cell'
    return panel(2, 'one peak, enlarged: offset and size', text, content, size)


def panel(index: int, title: str, text: str, content: list[str], more: str = '') -> list[str]:
    return [
        f'<g transform="translate({index * (PANEL + GAP)} 0)">',
        f'<text x="0" y="20" font-weight="bold">{title}</text>',
        f'<svg y="{TOP}" width="{PANEL}" height="{PANEL}">',
        *content,
        '</svg>',
        f'<text x="0" y="{TOP + PANEL + 20}">{text}</text>',
        f'<text x="0" y="{TOP + PANEL + 40}">{more}</text>',
        '</g>',
    ]


def data_url(image: np.ndarray, kind: str) -> str:
    kind, options = ('png', []) if kind == '.png' else ('jpeg', [cv2.IMWRITE_JPEG_QUALITY, 88])
    _, data = cv2.imencode(f'.{kind}', image, options)
    return f'data:image/{kind};base64,{base64.b64encode(data).decode()}'


if __name__ == '__main__':
    main()
