"""Random numbers that depend on a place in the training, not on what was drawn before."""

import random
from collections import Counter
from collections.abc import Iterator

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
        epoch: what the samples are seeded by besides seed, index and how often the index was drawn
            before (:class:`Again`), () int64. It lies in shared memory, since loading processes
            that persist would not see an attribute change.
    """

    def __init__(self, dataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __call__(self, indices: list[int]) -> list:
        samples = []
        for index in indices:
            copy = (index.times,) if isinstance(index, Again) else ()
            # Not by the process: several draw what one would, with all of their images.
            seed_all(self.seed, DATA, int(self.epoch), index, *copy)
            samples.append(self.dataset[index])
        return samples


class Again(int):
    """An index that an epoch has had before.

    Attributes:
        times: how often, from 1.
    """

    times: int


class Counted:
    """A sampler whose indices say how often they came before, where they did.

    Else samplers that draw with replacement, or rare classes more often, would give copies that are
    equal down to their augmentation.

    Args:
        sampler: of whole numbers; everything but its indices stays as it is.
    """

    def __init__(self, sampler) -> None:
        self.sampler = sampler

    def __iter__(self) -> Iterator[int]:
        seen = Counter()
        for index in self.sampler:
            times = seen[index]
            seen[index] += 1
            if times:
                index = Again(index)
                index.times = times
            yield index

    def __len__(self) -> int:
        return len(self.sampler)

    def __getattr__(self, name: str):
        if name == 'sampler':  # a copy that is not yet filled
            raise AttributeError(name)
        return getattr(self.sampler, name)


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
