"""Boxes in 40 lines: ``python onnx_boxes.py FILE.onnx IMAGE [IMAGE ...]``.

Of networks that are tested with ``KeepResPad``, as the paper's. onnx_infer.py has the rest: other
ways of placing images, clipping, joints, space. Needs onnxruntime, numpy and OpenCV alone.
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime


def detect(session, about: dict, image: np.ndarray) -> tuple[np.ndarray, ...]:
    """Boxes in pixels of the image (N, 4), scores (N,) and labels (N,), the best first."""
    scale, pad = about['resize']['scale'], about['resize']['pad']
    inside = np.maximum((np.array(image.shape[1::-1]) * scale).astype(int), 1)  # width, height
    whole = (inside | pad) + 1
    start = whole // 2 - inside // 2
    if scale != 1:
        image = cv2.resize(image, inside.tolist())
    canvas = np.zeros((whole[1], whole[0], 3), np.float32)
    canvas[start[1] : start[1] + inside[1], start[0] : start[0] + inside[0]] = image
    names = ['boxes', 'scores', 'labels']
    boxes, scores, labels = session.run(names, {'images': canvas.transpose(2, 0, 1)[None]})
    return ((boxes[0] - np.tile(start, 2)) / scale).astype('f4'), scores[0], labels[0]


if __name__ == '__main__':
    session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
    metadata = session.get_modelmeta().custom_metadata_map
    about = {name: json.loads(text) for name, text in metadata.items()}
    if (about['resize'] or {}).get('type') != 'KeepResPad' or 'outputs' not in about:
        sys.exit('this file needs onnx_infer.py')
    for path in sys.argv[2:]:
        for box, score, label in zip(*detect(session, about, cv2.imread(path)), strict=True):
            if score >= 0.3:
                print(path, about['classes'][label], round(float(score), 3), box.round(1).tolist())
