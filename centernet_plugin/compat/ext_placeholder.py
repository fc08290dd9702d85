# Placeholder of centernet_plugin for mmcv's compiled operators.
# To remove this file from mmcv: python -m centernet_plugin.compat --remove
"""Stands in for ``mmcv._ext`` where mmcv was installed without compiled operators.

``import mmcv.ops``, and with it most of mmdet, then works; ``nms`` and ``softnms`` are computed in
PyTorch by centernet_plugin, and every other operator says that it is missing when it is called.
A compiled ``_ext`` next to this file goes before it.
"""

import importlib


def nms(boxes, scores, iou_threshold, offset):
    """``mmcv.ops.nms``: indices of the boxes that stay, best first."""
    return _centernet_plugin('nms').nms(boxes, scores, iou_threshold, offset)


def softnms(boxes, scores, dets, iou_threshold, sigma, min_score, method, offset):
    """``mmcv.ops.soft_nms``: fills the first rows of ``dets``, returns the boxes' indices."""
    method = ('naive', 'linear', 'gaussian')[method]
    rows, index = _centernet_plugin('softnms').soft_nms(
        boxes, scores, iou_threshold, sigma, min_score, method, offset
    )
    dets[: len(rows)] = rows
    return index


def __getattr__(name):
    if name.startswith('_'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def missing(*args, **kwargs):
        raise RuntimeError(
            f'mmcv operator {name!r} is not compiled in this environment, where a placeholder of '
            'centernet_plugin stands in for them with nms and softnms only; install an mmcv with '
            'compiled operators to use it '
            '(https://mmcv.readthedocs.io/en/latest/get_started/installation.html)'
        )

    missing.__name__ = name
    return missing


def _centernet_plugin(name):
    """Our module of suppression; imported late, since it imports mmdet."""
    try:
        return importlib.import_module('centernet_plugin.models.functional.nms')
    except ModuleNotFoundError as error:
        if error.name != 'centernet_plugin':
            raise
        raise RuntimeError(
            f'mmcv operator {name!r} is not compiled in this environment, and centernet_plugin, '
            'which computed it in PyTorch, is no longer installed; install it again, or an mmcv '
            'with compiled operators'
        ) from error
