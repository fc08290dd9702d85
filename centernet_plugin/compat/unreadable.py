"""One sentence for what torch says on a page about a file that it cannot load."""

import re
import zipfile
from pathlib import Path

TORCH_FILES = (b'PK\x03\x04', b'\x80')  # zip, and the pickle of torch < 1.6
WEB_PAGE = re.compile(rb'\s*(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml)', re.IGNORECASE)


def not_a_checkpoint(path: Path) -> str | None:
    """What ``path`` is if it can be no checkpoint, by its first bytes."""
    try:
        with path.open('rb') as file:
            start = file.read(64)
    except IsADirectoryError:
        return f"'{path}' is a folder, not a checkpoint"
    except FileNotFoundError:
        return f"'{path}' does not exist"
    except OSError as error:
        return f"'{path}' cannot be read: {error.strerror}"
    if not start:
        return f"'{path}' is empty; download it again"
    if WEB_PAGE.match(start):
        return (
            f"'{path}' is a web page, which Google Drive among others sends in place of a file "
            'that is large or asked for too often; download it with a browser'
        )
    if path.suffix != '.safetensors' and not start.startswith(TORCH_FILES):
        return f"'{path}' is not a checkpoint: no file of torch.save starts like it"
    return None


def why_unreadable(path: Path | str, error: Exception, remedy: str) -> str:
    """Why a checkpoint is not loaded.

    Args:
        path: of a file, or an address that it was loaded from.
        error: what ``torch.load`` of data only has raised.
        remedy: what to do about a file with more in it than data, to be trusted.
    """
    refused = re.search(r'GLOBAL ([\w.]{1,200})', str(error))
    if refused:
        return (
            f"'{path}' is not loaded: it asks for {refused.group(1)}, which is a program or an "
            f'object and not a weight; {remedy}'
        )
    file = Path(path)
    if file.is_file():
        if complaint := not_a_checkpoint(file):
            return complaint
        if archive := _other_archive(file):
            return f"'{path}' is {archive}"
    if 'Unsupported operand' in str(error):  # such as those of pickle protocol 4
        return (
            f"'{path}' is not loaded: it holds instructions that torch.save does not write for "
            f'weights, perhaps a program; {remedy}'
        )
    size = f' ({file.stat().st_size} bytes)' if file.is_file() else ''
    return (
        f"'{path}'{size} is no checkpoint, or is damaged or cut off; download it again "
        f'({first_sentence(error)})'
    )


def first_sentence(error: Exception) -> str:
    """Of its message, without the advice that torch puts around what is wrong."""
    text = str(error).strip() or type(error).__name__
    inner = re.search(r'WeightsUnpickler error:\s*(.+)', text)  # after a paragraph of advice
    # Not all of it: a damaged file may have names of any length.
    return re.split(r'\.?(?:\s*\n|\. |$)', inner.group(1) if inner else text)[0][:300]


def _other_archive(path: Path) -> str | None:
    """What a zip archive is that ``torch.save`` did not write; None for anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return None
    if any(name.endswith('/constants.pkl') for name in names):
        return 'a TorchScript program and no checkpoint; save its state_dict alone with torch.save'
    if any(name.endswith('/data.pkl') for name in names):
        return None
    some = ', '.join(repr(name[:60]) for name in names[:3])
    return f'an archive of other files ({some}) and no checkpoint; unpack it if one is among them'
