"""Detection on images in a line of Python, with all that the branches say."""

from pathlib import Path

import mmengine
import numpy as np
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from torch import nn

from .class_names import with_class_names


class CenterNetInferencer(DetInferencer):
    """mmdet's DetInferencer, whose dictionaries and json files have every field of the detections.

    mmdet's leave out what it does not know: joints, depths, your own properties. Arguments and
    calls are its. For boxes in space, an image needs its camera::

        infer = CenterNetInferencer('CONFIG', 'CHECKPOINT', device='cpu')
        infer('photo.jpg', out_dir='out', no_save_pred=False)
        infer(dict(img_path='000008.png', cam2img=p2), out_dir='out')  # (3, 4), metres to pixels
    """

    def _load_weights_to_model(self, model: nn.Module, checkpoint: dict | None, cfg) -> None:
        """As mmdet's, with class names of the config where the checkpoint has none."""
        if checkpoint is not None:
            checkpoint = with_class_names(checkpoint, cfg)
        super()._load_weights_to_model(model, checkpoint, cfg)

    def pred2dict(self, data_sample: DetDataSample, pred_out_dir: str = '') -> dict:
        """A prediction in lists and numbers, NaN as None; also written as json into a folder."""
        result = super().pred2dict(data_sample)
        for name, values in data_sample.get('pred_instances', {}).items():
            if name not in result and hasattr(values, 'tolist'):
                result[name] = _without_nan(values)
        if pred_out_dir:
            path = data_sample.metainfo.get('img_path')
            if path is None:
                path = str(self.num_predicted_imgs)
                self.num_predicted_imgs += 1
            mmengine.dump(result, str(Path(pred_out_dir, 'preds', f'{Path(path).stem}.json')))
        return result


def _without_nan(values) -> list:
    """A tensor as nested lists; json knows no NaN."""
    array = values.detach().cpu().numpy() if hasattr(values, 'detach') else np.asarray(values)
    if array.dtype.kind != 'f' or np.isfinite(array).all():
        return array.tolist()
    return np.where(np.isfinite(array), array.astype(object), None).tolist()
