"""A training that was interrupted and goes on equals one that was not."""

import itertools
from collections.abc import Iterator

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank
from mmengine.hooks import DistSamplerSeedHook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner
from torch.utils.data import BatchSampler, Sampler

from ...registry import HOOKS
from ..randomness import MODEL, Counted, SeededFetch, seed_all


@HOOKS.register_module()
class SeedHook(DistSamplerSeedHook):
    """mmengine's DistSamplerSeedHook that leaves nothing random to what happened before.

    mmengine restores weights, optimizer, schedules, averages and the log, but no random state, and
    shuffles a resumed training by a new seed where the config has none. With this hook

    - images are shuffled by the checkpoint's seed and the epoch,
    - what is random in a sample (crop, colours, mosaic) depends on the seed, the epoch, the
      sample's index and how often the epoch had it, whatever the number of processes,
    - what is random in the network (dropout) on the seed, the iteration and the process's rank,
    - a checkpoint from amid an epoch goes on amid it: batches that were trained on are left out.

    Its place is ``default_hooks.sampler_seed``. It cannot seed libraries with generators of their
    own, transforms that keep earlier images (``CachedMosaic``), and loading in an
    ``IterBasedTrainLoop``, which has no epochs. With ``randomness.diff_rank_seed`` mmengine's
    samplers draw a seed of their own, which no checkpoint has.
    """

    def __init__(self) -> None:
        self._built_with = None  # seed of the runner while it built the sampler
        self._epoch_length = None  # batches, of the training that the checkpoint is of
        self._fetch = None

    def before_run(self, runner: Runner) -> None:
        self._built_with = runner.seed

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        info = (checkpoint.get('message_hub') or {}).get('runtime_info', {})
        iters, epochs = info.get('max_iters'), info.get('max_epochs')
        self._epoch_length = iters // epochs if iters and epochs else None

    def before_train(self, runner: Runner) -> None:
        sampler = getattr(runner.train_dataloader, 'sampler', None)
        if getattr(sampler, 'seed', None) == self._built_with:  # else the config gives it another
            sampler.seed = runner.seed
            if runner.seed != self._built_with and isinstance(sampler, InfiniteSampler):
                _begin_anew(runner.train_loop, sampler)
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            runner.logger.info('Loaded images are not seeded: the loop is not by epochs.')
            return
        dataset = runner.train_dataloader.dataset
        self._fetch = dataset.__getitems__ = SeededFetch(dataset, runner.seed)
        batches = runner.train_dataloader.batch_sampler
        if hasattr(batches, 'sampler'):
            batches.sampler = Counted(batches.sampler)

    def before_train_epoch(self, runner: Runner) -> None:
        super().before_train_epoch(runner)
        if self._fetch is not None:
            self._fetch.epoch.fill_(runner.epoch)
            self._skip_done(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        seed_all(runner.seed, MODEL, runner.iter, get_rank(), devices=True)

    def after_train_epoch(self, runner: Runner) -> None:
        batches = runner.train_dataloader.batch_sampler
        if isinstance(getattr(batches, 'sampler', None), _Rest):
            batches.sampler = batches.sampler.whole

    def _skip_done(self, runner: Runner) -> None:
        """Leaves out what was trained on of this epoch before the checkpoint was made."""
        if self._epoch_length is None:
            return
        done = runner.iter - runner.epoch * self._epoch_length
        same = self._epoch_length == len(runner.train_dataloader)
        self._epoch_length = None
        if done <= 0:
            return
        batches = runner.train_dataloader.batch_sampler
        if not same or type(batches) is not BatchSampler:
            runner.logger.warning(
                f'The checkpoint is from amid epoch {runner.epoch + 1}, which begins anew: batches '
                "can be left out where an epoch has as many as before, and of torch's own "
                'BatchSampler.'
            )
            return
        batches.sampler = _Rest(batches.sampler, done * batches.batch_size)
        runner.logger.info(f'Epoch {runner.epoch + 1} goes on after {done} batches.')


def _begin_anew(loop: BaseLoop, sampler: InfiniteSampler) -> None:
    """Draws from the beginning; mmengine 0.10.7 has begun, with another seed, to load ahead."""
    sampler.indices = sampler._indices_of_rank()
    if hasattr(loop, 'dataloader_iterator'):
        loop.dataloader_iterator = type(loop.dataloader_iterator)(loop.dataloader)


class _Rest:
    """A sampler without the first ``count`` indices, and with the length of the whole."""

    def __init__(self, whole: Sampler, count: int) -> None:
        self.whole, self.count = whole, count

    def __iter__(self) -> Iterator[int]:
        return itertools.islice(self.whole, self.count, None)

    def __len__(self) -> int:
        return len(self.whole)
