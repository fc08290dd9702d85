"""What the scripts in ``tools/`` share: the command line, the config, and errors as sentences."""

import argparse
import atexit
import errno
import os
import os.path as osp
import pickle
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from ..errors import UserInputError
from .cpu_processes import use_cpu_processes
from .scaled_schedules import scale_schedules

USER_ERROR = 2
INTERRUPTED = 130
CHECK = 'centernet_plugin.SanityCheckHook'
FAST = 'centernet_plugin.AccelerateHook'
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
INSIST = 3.0  # seconds after which an interrupt that nobody heard is raised again


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what training and testing have in common to ``parser``."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started this process, one of several (default: none)',
    )
    # The launchers of different torch versions spell it differently; newer ones set LOCAL_RANK.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Adds the settings that :func:`read_config` puts in place of a config's."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, such as train_cfg.max_epochs=2, '
        'key="[a,b]" or key="[(a,b),(c,d)]", without blanks',
    )


def load_config(args: argparse.Namespace) -> Config:
    """Reads the config and applies the common arguments to it.

    The work dir is, in this order: the argument's, the config's, ``work_dirs/`` and the name of
    the config file.

    Raises:
        UserInputError: there is no such file, or it is not a config.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir:
        cfg.work_dir = args.work_dir
    elif not cfg.get('work_dir'):
        cfg.work_dir = osp.join('work_dirs', osp.splitext(osp.basename(args.config))[0])
    return cfg


def read_config(path: str, options: dict | None = None) -> Config:
    """The config in a file, with ``options`` in the place of its own.

    Raises:
        UserInputError: there is no such file, or it is not a config.
    """
    require_file(path, 'config')
    if osp.splitext(path)[1] not in ('.py', '.json', '.yaml', '.yml'):
        raise UserInputError(f"config '{path}' is not a .py, .json or .yaml file")
    cfg = Config.fromfile(path)
    if options:
        cfg.merge_from_dict(options)
    return cfg


def require_file(path: str, what: str) -> None:
    """Fails unless ``path`` is a file or an address that mmengine loads from.

    Raises:
        UserInputError: names ``what`` and ``path``.
    """
    if '://' not in path and not osp.isfile(path):
        raise UserInputError(f"{what} '{path}' does not exist")


def require_device(name: str | None) -> None:
    """Fails unless torch can use the device, such as ``'cuda:0'``; None is whatever is there.

    Raises:
        UserInputError: says what torch says.
    """
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter without CUDA
        reason = str(error).splitlines()[0]
        raise UserInputError(f"device '{name}' cannot be used: {reason}") from error


def positive(text: str) -> int:
    """A whole number from 1 on, of the command line: for ``type=`` of argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1, got {value}')
    return value


def require_place(path: str | Path) -> None:
    """Fails unless a file can be written there, before the work for it is done.

    Raises:
        UserInputError: there is no folder for it, or it is one.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise UserInputError(f"there is no folder '{path.parent}' for '{path.name}'")
    if path.is_dir():
        raise UserInputError(f"'{path}' is a folder; name the file that is to be written")


def add_out(parser: argparse.ArgumentParser) -> None:
    """Adds the file that a test keeps its predictions in; for :func:`test`."""
    parser.add_argument('--out', metavar='FILE.pkl', help='keep the predictions in this file')


def require_out(out: str | None) -> None:
    """Fails unless the file of ``--out``, if there is to be one, is called as a pickle.

    Raises:
        UserInputError: it is not.
    """
    if out and not out.endswith(('.pkl', '.pickle')):
        raise UserInputError(f"--out '{out}' has to end with .pkl or .pickle")


def test(runner: Runner, out: str | None) -> None:
    """Tests, and keeps the predictions in the file ``out``, if there is to be one."""
    if out:
        from mmdet.evaluation import DumpDetResults

        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=out))
    runner.test()


def use_checkpoint(cfg: Config, checkpoint: str) -> None:
    """Prepares ``cfg`` for a test of ``checkpoint``, which stops if it does not fill the model.

    mmengine only logs what does not fit; a test of such a model says nothing.

    Raises:
        UserInputError: there is no such file.
    """
    require_file(checkpoint, 'checkpoint')
    cfg.load_from = checkpoint
    add_hook(cfg, CHECK)
    if 'cudnn_benchmark' in (cfg.get('env_cfg') or {}):
        # cuDNN would tune anew for each of the many input sizes of a test that keeps the images'
        # resolution. (That this costs more than it gains was not measured.)
        cfg.env_cfg.cudnn_benchmark = False


def add_hook(cfg: Config, kind: str) -> None:
    """Adds a custom hook of this type unless the config has one, with settings of its own."""
    hooks = list(cfg.get('custom_hooks') or [])
    if not any(hook.get('type') == kind for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type=kind)]


def build_runner(cfg: Config) -> Runner:
    """The runner of ``cfg``; its distributed processes also run without a GPU.

    ``auto_scale_lr`` scales what its schedules say of rates as well.
    """
    if cfg.launcher != 'none' and not torch.cuda.is_available():
        use_cpu_processes(cfg)
    if 'runner_type' in cfg:
        from mmdet.registry import RUNNERS

        return RUNNERS.build(cfg)
    runner = Runner.from_cfg(cfg)
    scale_schedules(runner)
    return runner


def run(main: Callable[[], None], *, after_interrupt: str = '') -> int:
    """Calls ``main`` and turns the user's mistakes into one sentence on stderr.

    Args:
        main: what the script does.
        after_interrupt: what to tell who pressed Ctrl-C about going on.

    Returns:
        The exit code: 0, 2 after a mistake in the input, 130 after Ctrl-C. Anything else that
        goes wrong is an error of the program and passes through, with its traceback.
    """
    try:
        with _insistent_interrupts():
            main()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
            _end_process()
    except (Exception, KeyboardInterrupt) as error:
        # An interrupt amid torch.save ends as another exception.
        if any(isinstance(link, KeyboardInterrupt) for link in _chain(error)):
            print('Interrupted.', after_interrupt, file=sys.stderr)
            return INTERRUPTED
        sentence = explain(error)
        if sentence is None:
            raise
        print(f'error: {sentence}', file=sys.stderr)
        return USER_ERROR
    return 0


@contextmanager
def _insistent_interrupts() -> Iterator[None]:
    """Raises an interrupt again until it ends the block.

    Python drops one that falls into a destructor, mmengine one that falls into the bare ``except``
    of its message hub while a checkpoint is saved; the training would go on as if unasked.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or os.name != 'posix':
        yield  # ignored, or somebody else's
        return

    def interrupt(signum, frame):
        signal.setitimer(signal.ITIMER_REAL, INSIST)
        raise KeyboardInterrupt

    alarm = signal.signal(signal.SIGALRM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, alarm)


def _end_process() -> None:
    """Ends one of several processes, after all is done, without the end of the interpreter.

    There a process of torch's gloo backend sometimes aborts ("terminate called without an active
    exception"), and the launcher calls the whole training failed. What is registered to run at the
    exit does run.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def explain(error: BaseException) -> str | None:
    """One sentence for an error that the user caused, else None."""
    # Registries and data loaders raise again what was raised inside; the innermost is the clear one
    ours = [link for link in _chain(error) if isinstance(link, UserInputError)]
    if ours:
        return _message(ours[-1])
    if isinstance(error, FileNotFoundError):
        innermost = [link for link in _chain(error) if isinstance(link, FileNotFoundError)][-1]
        if innermost.filename is not None:
            return f"'{innermost.filename}' does not exist"
        return _message(innermost)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        where = f" '{error.filename}'" if error.filename else ''
        return f'nothing more can be written{where}: {error.strerror}'
    if isinstance(error, OSError) and error.filename and error.strerror:
        # No right, a folder where a file should be, too long a name: which, only the name tells.
        return f"'{error.filename2 or error.filename}': {error.strerror}"
    if isinstance(error, (pickle.UnpicklingError, EOFError)) or 'PytorchStreamReader' in str(error):
        # torch's own message is a page; what is wrong stands in the line of its unpickler.
        reason = re.search('WeightsUnpickler error: (.+)', str(error))
        reason = reason.group(1) if reason else (str(error) or 'empty file').splitlines()[0]
        return f'the checkpoint is not readable: {reason}'
    image = re.match('failed to load image: (.+)', _message(error))
    if image:  # mmcv's LoadImageFromFile
        return f"image '{image.group(1)}' is not readable"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what caused it, outermost first."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _message(error: BaseException) -> str:
    """The text of ``error``, out of the traceback that a data-loading process wraps it in."""
    text = str(error)
    if text.startswith('Caught ') and 'Original Traceback' in text:
        text = text.rsplit(f'{type(error).__name__}: ', maxsplit=1)[-1]
    return text.strip()
