"""``python -m centernet_plugin.compat``: the placeholder for mmcv's operators, as a file."""

import argparse
import sys
from pathlib import Path

import mmcv

from centernet_plugin.compat import ext

MESSAGES = {
    'none': 'no compiled operators and no placeholder; `import centernet_plugin` supplies one in '
    'memory, --write makes it permanent',
    'placeholder': 'no compiled operators; the placeholder of centernet_plugin is written',
    'compiled': 'operators of its own; no placeholder is needed',
}


def main(argv: list[str] | None = None, folder: Path | None = None) -> int:
    """Run the command on the mmcv in ``folder``, by default the installed one.

    Returns:
        int: exit status; 2 where it could not be done.
    """
    parser = argparse.ArgumentParser(prog='python -m centernet_plugin.compat', description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument(
        '--write',
        action='store_true',
        help='write mmcv/_ext.py, so that mmdet starts without compiled operators and without '
        'importing centernet_plugin first',
    )
    action.add_argument('--remove', action='store_true', help='remove that file again')
    action.add_argument('--status', action='store_true', help='say what mmcv has')
    args = parser.parse_args(argv)
    folder = folder or Path(mmcv.__file__).parent
    try:
        if args.write:
            print(f'written: {ext.write(folder)}')
        elif args.remove:
            path = ext.remove(folder)
            print(f'removed: {path}' if path else f'no placeholder in {folder}, nothing to remove')
        else:
            print(f'mmcv {mmcv.__version__} in {folder}: {MESSAGES[ext.find(folder)[0]]}')
    except OSError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
