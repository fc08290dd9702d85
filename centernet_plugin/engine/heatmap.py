"""The heat-map that a network makes of an image of a dataset."""

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import nn

from ..visualization import crop_heatmap


@torch.no_grad()
def centre_heatmap(model: nn.Module, dataset, index: int) -> np.ndarray | None:
    """Largest probability of all classes that a centre is here.

    Args:
        model: mmdet detector, in evaluation mode.
        dataset: with a test pipeline.
        index: place of the image.

    Returns:
        Over the whole image, one cell per input pixel, (h, w); None if the model makes no
        heat-map, or the pipeline more than one view of the image.
    """
    data = dataset[index]
    stride = getattr(getattr(model, 'bbox_head', None), 'stride', None)
    if not isinstance(stride, int) or isinstance(data['inputs'], list):
        return None
    data = model.data_preprocessor(pseudo_collate([data]), False)
    maps = model.bbox_head(model.extract_feat(data['inputs']))[-1]
    if not isinstance(maps, dict) or 'heatmap' not in maps:
        return None
    heat = maps['heatmap'][0].float().sigmoid().amax(0, keepdim=True).cpu().numpy()
    return crop_heatmap(heat, data['data_samples'][0].metainfo, stride)[0]
