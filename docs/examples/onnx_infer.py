"""Detects with an exported file: ``python onnx_infer.py FILE.onnx IMAGE [IMAGE ...]``.

Needs onnxruntime, numpy and OpenCV alone.
"""

import argparse
import json

import cv2
import numpy as np
import onnxruntime


def place(image: np.ndarray, resize: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The network's input, and where the image lies in it: input = image * scale + (left, top)."""
    height, width = image.shape[:2]
    if resize['type'] == 'KeepResPad':
        if resize['scale'] != 1:
            size = [max(int(side * resize['scale']), 1) for side in (width, height)]
            image = cv2.resize(image, size)
            height, width = image.shape[:2]
        new_height, new_width = (height | resize['pad']) + 1, (width | resize['pad']) + 1
        top, left = new_height // 2 - height // 2, new_width // 2 - width // 2
        bottom, right = new_height - height - top, new_width - width - left
        image = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=0)
        return image, np.array([resize['scale']] * 2), np.array([left, top])
    if resize['type'] == 'FixResAffine':
        size = np.array(resize['size'])
        side = width if resize['fit'] == 'width' else max(height, width)
        center, middle = np.array([width, height]) / 2, size / 2
        source = [center, center - [0, side / 2], center - [side / 2, side / 2]]
        target = [middle, middle - [0, size[0] / 2], middle - [size[0] / 2, size[0] / 2]]
        matrix = cv2.getAffineTransform(np.float32(source), np.float32(target))
        return cv2.warpAffine(image, matrix, resize['size']), matrix[[0, 0], [0, 0]], matrix[:, 2]
    new_width, new_height = resize['scale']
    if resize['keep_ratio']:
        long, short = max(resize['scale']), min(resize['scale'])
        factor = min(long / max(height, width), short / min(height, width))
        new_width, new_height = (max(int(side * factor + 0.5), 1) for side in (width, height))
    scale = np.array([new_width / width, new_height / height])
    return cv2.resize(image, (new_width, new_height)), scale, np.zeros(2)


def detect(session, image: np.ndarray, camera: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Fields of the detections, positions in pixels of the image.

    Args:
        session: onnxruntime's, of the file.
        image: as OpenCV reads it, BGR. (H, W, 3), uint8
        camera: projection of metres onto pixels of the image, for boxes in space. (3, 4)
    """
    about = session.get_modelmeta().custom_metadata_map
    about = {name: json.loads(text) for name, text in about.items()}
    if 'outputs' not in about or about['resize'] is None:
        raise SystemExit('the file has raw maps, or does not know how images are placed in it')
    if about['nms'] is not None:
        raise SystemExit(f'the test of this network suppresses, by {about["nms"]}; this does not')
    input_image, scale, shift = place(image, about['resize'])
    height, width = input_image.shape[:2]
    divisor = about['size_divisor']
    padded = np.empty((-(-height // divisor) * divisor, -(-width // divisor) * divisor, 3), 'f4')
    padded[:] = about['pad_pixel']
    padded[:height, :width] = input_image
    feed = {'images': padded.transpose(2, 0, 1)[None]}
    if about['camera_outputs']:
        projection = np.eye(3, 4) if camera is None else np.float64(camera)
        warp = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]], [0, 0, 1]])
        feed['cam2img'] = np.float32(warp @ projection)[None]
    names = [output.name for output in session.get_outputs()]
    found = {name: v[0] for name, v in zip(names, session.run(names, feed), strict=True)}
    for name, motion in about['outputs'].items():
        if motion in ('position', 'length'):
            pairs = found[name].reshape(*found[name].shape[:-1], -1, 2)
            pairs = (pairs - (shift if motion == 'position' else 0)) / scale
            found[name] = pairs.reshape(found[name].shape).astype('f4')
        elif motion == 'other' or (camera is None and name in about['camera_outputs']):
            del found[name]  # nobody knows how it goes to the image's pixels, or what it would be
    if about['clip'] and 'boxes' in found:
        found['boxes'] = found['boxes'].clip(0, np.float32(image.shape[1::-1] * 2))
    good = found['scores'] >= about['score_thr']
    return {name: values[good] for name, values in found.items()}


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('file', help='exported file')
    parser.add_argument('images', nargs='+')
    parser.add_argument('--camera', help='text file of 12 numbers, metres to pixels of the image')
    parser.add_argument('--score-thr', type=float, default=0.3, help='least score to print')
    args = parser.parse_args()
    session = onnxruntime.InferenceSession(args.file, providers=['CPUExecutionProvider'])
    names = json.loads(session.get_modelmeta().custom_metadata_map['classes'])
    camera = np.loadtxt(args.camera).reshape(3, 4) if args.camera else None
    for path in args.images:
        image = cv2.imread(path)
        if image is None:
            raise SystemExit(f"image '{path}' does not exist, or cannot be read")
        found = detect(session, image, camera)
        for i in np.flatnonzero(found['scores'] >= args.score_thr):
            box = ', '.join(f'{side:.1f}' for side in found['boxes'][i])
            print(f'{path}: {names[found["labels"][i]]} {found["scores"][i]:.3f} at {box}')
