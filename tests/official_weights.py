"""Stand-ins for the published checkpoints, for parity tests without a download.

Every tensor is drawn from its own published name, so that it is the same everywhere;
``data/keys/<model>.txt`` lists the published ``state_dict`` of a model in order, one
``key <TAB> shape <TAB> param|buffer`` a line. Batch norm statistics come from
``data/networks/<case>.npz``: measured on an image, they keep activations of order 1 and deformable
offsets of order half a cell, so a mistake shows as a gross error. The same file holds what the
original network gives for these weights, computed in float64.
"""

import math
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DATA = Path(__file__).parent / 'data'


def load_case(name: str) -> tuple[dict, Tensor, dict[str, Tensor]]:
    """One parity case of ``data/networks``.

    Args:
        name (str): such as ``'resdcn_18_ctdet_coco'``.

    Returns:
        tuple: the checkpoint in the published container, the normalised input (1, 3, H, W), and
        the expected logits (1, channels, H / 4, W / 4) by name ``stack<i>.<published head>``.
    """
    with np.load(DATA / 'networks' / f'{name}.npz') as case:
        state = draw(str(case['model']), str(case['salt']))
        for entry in case.files:
            if entry.startswith('bn/'):
                state[entry.removeprefix('bn/')] = torch.from_numpy(case[entry])
        outputs = {
            entry: torch.from_numpy(case[entry])
            for entry in case.files
            if entry.startswith('stack')
        }
        height, width = case['input_hw'].tolist()
        image = _smooth_noise(height, width, int(case['seed']))
    return {'epoch': 140, 'state_dict': state}, image, outputs


def draw(model: str, salt: str = '') -> dict[str, Tensor]:
    """A ``state_dict`` with the names and shapes of ``data/keys/<model>.txt``."""
    return {key: _draw(key, shape, salt) for key, shape, _ in _read_keys(model)}


def without_values(model: str) -> dict[str, Tensor]:
    """The same without values, on the device ``meta``; it takes no memory."""
    return {key: torch.empty(shape, device='meta') for key, shape, _ in _read_keys(model)}


def count_parameters(model: str) -> int:
    """Trained numbers of a published model."""
    return sum(math.prod(shape) for _, shape, kind in _read_keys(model) if kind == 'param')


def _read_keys(model):
    """[(key, shape, 'param' | 'buffer')] of a published model."""
    rows = (line.split('\t') for line in (DATA / 'keys' / f'{model}.txt').read_text().splitlines())
    return [
        (key, tuple(int(n) for n in shape.strip('[]').split(',') if n.strip()), kind)
        for key, shape, kind in rows
    ]


def _draw(key, shape, salt):
    """The tensor of that name; the generator and the order of draws are part of the fixtures."""
    generator = np.random.RandomState(zlib.crc32(f'{salt}:{key}'.encode()))
    leaf = key.rpartition('.')[2]
    if leaf == 'num_batches_tracked':
        return torch.tensor(1000)
    if leaf in ('running_mean', 'running_var'):
        return torch.full(shape, float(leaf == 'running_var'))
    if len(shape) == 1 and leaf == 'weight':
        values = generator.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        values = 0.2 * generator.standard_normal(shape)
    else:
        gain = 0.4 if 'conv_offset_mask' in key else 1.5
        values = gain * generator.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _smooth_noise(height, width, seed):
    """(1, 3, height, width) float32: coarse noise made smooth, with a little fine noise on it."""
    generator = np.random.RandomState(seed)
    coarse, fine = (
        torch.from_numpy(generator.standard_normal((1, 3, *size)))
        for size in ((height // 8 + 1, width // 8 + 1), (height, width))
    )
    smooth = F.interpolate(coarse, size=(height, width), mode='bilinear', align_corners=True)
    return (smooth + 0.2 * fine).float()
