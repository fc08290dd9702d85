"""Random numbers that depend on a place in the training, not on what was drawn before."""

import random

import numpy as np
import torch

DATA, MODEL = 0, 1  # streams that share a seed


class SeededFetch:
    """Loads samples of a dataset; what is random in a sample depends on its place alone.

    torch's data loaders call ``dataset.__getitems__``, where there is one, with the indices of a
    batch. This object, put there, seeds ``random``, numpy and torch for every sample, in whatever
    process it is loaded. It works for any dataset and its wrappers, and needs no change of them.

    Args:
        dataset: with ``__getitem__``.
        seed: of the training; at least 0.

    Attributes:
        epoch: what the samples are seeded by besides seed and index, () int64. It lies in shared
            memory, since loading processes that persist would not see an attribute change.
    """

    def __init__(self, dataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __call__(self, indices: list[int]) -> list:
        samples = []
        for index in indices:
            seed_all(self.seed, DATA, int(self.epoch), index)
            samples.append(self.dataset[index])
        return samples


def seed_all(*place: int, devices: bool = False) -> None:
    """Seed ``random``, numpy and torch by whole numbers from 0.

    Numbers that differ anywhere give streams that have nothing to do with each other.

    Args:
        *place: the numbers.
        devices: whether to seed torch on all devices instead of on the CPU alone.
    """
    words = np.random.SeedSequence(place).generate_state(8)
    random.seed(words[:2].tobytes())
    np.random.seed(words[2:6])
    seed = torch.manual_seed if devices else torch.default_generator.manual_seed
    seed(int(words[6]) << 32 | int(words[7]))
