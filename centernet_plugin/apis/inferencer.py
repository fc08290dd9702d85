"""Detection on images in a line of Python, with all that the branches say."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from torch import nn

from ..arrays import to_numpy
from ..engine.checkpoint_fit import misfit
from ..engine.class_names import with_class_names
from ..errors import UserInputError
from ..models.detectors.unwrap import unwrap
from .result_names import result_names


class CenterNetInferencer(DetInferencer):
    """mmdet's DetInferencer, whose dictionaries and json files have every field of the detections.

    mmdet's leave out what it does not know: joints, depths, your own properties. Arguments and
    calls are its. For boxes in space, an image needs its camera::

        infer = CenterNetInferencer('CONFIG', 'CHECKPOINT', device='cpu')
        infer('photo.jpg', out_dir='out', no_save_pred=False)
        infer(dict(img_path='000008.png', cam2img=p2), out_dir='out')  # (3, 4), metres to pixels

    Paths may be :class:`~pathlib.Path`. A json file has the name of its image without the suffix;
    with it where another image of the same call differs in nothing else, and with a number where
    two have the same name. Pictures are mmdet's, under the full names of the images: of two of the
    same name, the last one's is left. :class:`InferenceRunner` keeps both.

    Args:
        model: a config, its file or a name of the model zoo; None takes the config out of the
            checkpoint.
        weights: the checkpoint.
        trust_config: whether to do so. A config is a program, and runs.
        **kwargs: as mmdet's.

    Raises:
        UserInputError: no config, and the checkpoint's is not trusted; the checkpoint does not fill
            the whole model, and mmdet's would detect with a network that is partly random; or an
            image file is empty.
    """

    def __init__(
        self, model=None, weights: str | None = None, *args, trust_config: bool = False, **kwargs
    ) -> None:
        self._trust_config = trust_config
        super().__init__(model, weights, *args, **kwargs)

    def _init_model(self, cfg, weights: str | None, device: str = 'cpu') -> nn.Module:
        if not cfg and not self._trust_config:  # mmengine takes it out of the checkpoint
            raise UserInputError(
                f"there is no config, and the one in '{weights}' is a program, which is not run "
                'unasked: hand a config over as model=..., or trust_config=True if you know who '
                'made the file'
            )
        return super()._init_model(cfg, weights, device)

    def _load_weights_to_model(self, model: nn.Module, checkpoint: dict | None, cfg) -> None:
        if checkpoint is not None:
            sentence, _ = misfit(unwrap(model), checkpoint)
            if sentence:
                raise UserInputError(sentence)
            checkpoint = with_class_names(checkpoint, cfg)
        super()._load_weights_to_model(model, checkpoint, cfg)

    def _inputs_to_list(self, inputs: Any) -> list:
        return [_path_as_text(one) for one in super()._inputs_to_list(_path_as_text(inputs))]

    def preprocess(self, inputs: list, *args, **kwargs) -> Iterator:
        """As mmdet's, of paths, arrays and dictionaries."""
        paths = [one.get('img_path') if isinstance(one, dict) else one for one in inputs]
        paths = [path for path in paths if isinstance(path, str)]
        for path in paths:
            if os.path.isfile(path) and not os.path.getsize(path):
                raise UserInputError(f"image '{path}' is empty")  # OpenCV does not say which
        paths = list(dict.fromkeys(paths))
        names = result_names([Path(path).name for path in paths])
        self._names = dict(zip(paths, names, strict=True))
        return super().preprocess(inputs, *args, **kwargs)

    def pred2dict(self, data_sample: DetDataSample, pred_out_dir: str = '') -> dict:
        """A prediction in lists and numbers, NaN as None; also written as json into a folder."""
        result = super().pred2dict(data_sample)
        for name, values in data_sample.get('pred_instances', {}).items():
            if name not in result and hasattr(values, 'tolist'):
                result[name] = _without_nan(values)
        if pred_out_dir:
            path = data_sample.metainfo.get('img_path')
            if path is None:
                name = str(self.num_predicted_imgs)
                self.num_predicted_imgs += 1
            else:
                name = self._names[path]
            mmengine.dump(result, str(Path(pred_out_dir, 'preds', f'{name}.json')))
        return result


def _path_as_text(one: Any) -> Any:
    """An input with what mmdet takes in the place of a Path."""
    if isinstance(one, dict) and 'img_path' in one:
        return dict(one, img_path=_path_as_text(one['img_path']))
    return str(one) if isinstance(one, Path) else one


def _without_nan(values) -> list:
    """A tensor as nested lists; json knows no NaN."""
    array = to_numpy(values)
    if array.dtype.kind != 'f' or np.isfinite(array).all():
        return array.tolist()
    return np.where(np.isfinite(array), array.astype(object), None).tolist()
