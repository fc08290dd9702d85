"""From a file of published weights to a checkpoint of ours."""

import os
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmdet.datasets import CocoDataset, VOCDataset

from ..datasets.coco_pose import CocoPoseDataset
from ..datasets.kitti import KittiDataset
from ..errors import UserInputError
from ..version import __version__
from .configs import Choice, choose, config_folder
from .reading import Checkpoint, read_checkpoint
from .recognise import Description, recognise
from .weights import Weights, as_float32, check, dla_size, model_shapes, rename_all

COCO_JOINTS = CocoPoseDataset.METAINFO['keypoints']
DATASETS = {  # by number of classes
    80: ('COCO', CocoDataset.METAINFO),
    20: ('Pascal VOC', VOCDataset.METAINFO),
}


@dataclass
class Conversion:
    """What was converted.

    Attributes:
        source, destination: the files.
        description: what the source is.
        weights: converted.
        checkpoint: what was read.
        choice: the config of the network; None for a backbone alone.
        arch: size of a DLA backbone alone, for ``DLANet(arch=...)``.
        dataset: names and, where known, colours of the classes.
        names: where they come from, for the summary; empty where the file says them.
    """

    source: Path
    destination: Path
    description: Description
    weights: Weights
    checkpoint: Checkpoint
    choice: Choice | None = None
    arch: str | None = None
    dataset: dict[str, Any] | None = None
    names: str = ''

    @property
    def is_detector(self) -> bool:
        """Whether the weights fill the model of the config."""
        return self.description.task in ('ctdet', 'multi_pose', 'ddd')


def convert_file(
    source: Path | str, destination: Path | str, *, configs: Path | str | None = None
) -> Conversion:
    """Converts published weights and writes them as a checkpoint of mmengine.

    Nothing is written unless everything fits the model of the config that it belongs to, and
    ``destination`` appears as a whole or not at all.

    Args:
        source: file of weights; see ``tools/model_converters/official_to_plugin.py --help``.
        destination: file to write; replaced if it exists.
        configs: the folder ``configs``; default: that of the package or of the checkout.

    Returns:
        Conversion: what was done.

    Raises:
        UserInputError: ``source`` cannot be converted, or ``destination`` not written.
    """
    source, destination = Path(source), Path(destination)
    _check_destination(source, destination)
    checkpoint = read_checkpoint(source)
    description = recognise(checkpoint.state)
    weights = rename_all(checkpoint.state, description)
    result = Conversion(source, destination, description, weights, checkpoint)
    result.dataset, result.names = _dataset(description, checkpoint)
    if description.task == 'imagenet':
        result.arch = dla_size(weights)
    else:
        folder = Path(configs) if configs else config_folder()
        classes = (result.dataset or {}).get('classes', ())
        result.choice = choose(description, folder, checkpoint.epoch, source.stem, classes)
        shapes = model_shapes(result.choice.config.model, description)
        check(weights, shapes, f'the model of {result.choice.path.name}')
    result.weights = as_float32(weights)
    save(dict(meta=_meta(result), state_dict=result.weights.state), destination)
    return result


def save(content: dict, path: Path) -> None:
    """``torch.save`` that leaves the whole file or, whatever happens, what was there before.

    Raises:
        UserInputError: the file cannot be written.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix='.converted.', suffix='.tmp', delete=False
        ) as file:
            temporary = file.name
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # temporary files are private
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch turns a full disk into a RuntimeError
        causes = [error, error.__cause__, error.__context__]
        reason = next((e.strerror for e in causes if isinstance(e, OSError) and e.strerror), error)
        raise UserInputError(f"'{path}' cannot be written: {reason}") from error
    finally:
        if temporary:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def _check_destination(source: Path, destination: Path) -> None:
    try:
        if destination.suffix == '.safetensors':
            raise UserInputError(
                f"'{destination}' would be read as a file of safetensors, which is not what is "
                'written; choose a name that ends in .pth'
            )
        if destination.is_dir():
            raise UserInputError(f"'{destination}' is a folder; give the name of a file")
        if not destination.parent.is_dir():
            raise UserInputError(f"the folder '{destination.parent}' does not exist")
        if destination.exists() and not destination.is_file():
            raise UserInputError(f"'{destination}' is not a regular file")
        if destination.exists() and source.exists() and destination.samefile(source):
            raise UserInputError(f"'{destination}' is the source itself; choose another name")
    except OSError as error:  # such as a name that is too long
        raise UserInputError(f"'{destination}' cannot be written: {error.strerror}") from error


def _meta(result: Conversion) -> dict[str, Any]:
    """What mmengine's Runner says of a checkpoint, and where this one comes from."""
    description, checkpoint, choice = result.description, result.checkpoint, result.choice
    meta = dict(
        epoch=checkpoint.epoch or 0,
        iter=0,
        time=time.strftime('%Y%m%d_%H%M%S', time.localtime()),
        mmengine_version=mmengine.__version__,
        centernet_plugin_version=__version__,
        source=dict(
            file=result.source.name, architecture=description.architecture, **asdict(description)
        ),
    )
    if result.arch:
        meta['source']['arch'] = result.arch
    if choice:
        meta['source'].update(config=choice.path.name, cfg_options=choice.options)
    if result.dataset:
        meta['dataset_meta'] = result.dataset
    # Who builds the model of this text expects the weights to fill it.
    if result.is_detector:
        meta.update(cfg=choice.config.pretty_text, seed=None, experiment_name=choice.path.stem)
    return meta


def _dataset(description: Description, checkpoint: Checkpoint) -> tuple[dict | None, str]:
    """Class names and colours, and how they were found.

    A detector always gets names: an inferencer would take those of COCO in their place.
    """
    count = description.num_classes
    if checkpoint.classes and len(checkpoint.classes) == count:
        named = dict(classes=checkpoint.classes, palette=checkpoint.palette)
        return {name: value for name, value in named.items() if value is not None}, ''
    if description.task in ('exdet', 'imagenet'):
        return None, ''
    known, reason = None, f'{count} classes'
    if description.task == 'ctdet':
        known = DATASETS.get(count)
    elif description.task == 'ddd' and count == len(KittiDataset.METAINFO['classes']):
        known = 'KITTI', KittiDataset.METAINFO
    elif count == 1 and description.heads.get('joints') == 2 * len(COCO_JOINTS):
        known = "COCO's persons", CocoPoseDataset.METAINFO
        reason = f'one class and {len(COCO_JOINTS)} joints'
    if known:
        name, dataset = known
        return dict(dataset), f'taken for {name} because of its {reason}'
    names = tuple(f'class {i}' for i in range(count))
    return dict(classes=names), f'are not known; called {", ".join(names[:2])}, ...'


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
