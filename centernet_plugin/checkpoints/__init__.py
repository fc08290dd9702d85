"""Weights that others published, as checkpoints of this package.

``recognise`` says what a file is, ``rename`` gives its tensors our names, ``convert_file`` does all
of it. A further source needs its marks in ``recognise.MARKS``, a function in ``rename.RULES`` and
its config in ``configs.CONFIGS``.
"""

from .convert import Conversion, convert_file
from .reading import read_checkpoint
from .recognise import Description, recognise
from .rename import rename
from .summary import summary

__all__ = [
    'Conversion',
    'Description',
    'convert_file',
    'read_checkpoint',
    'recognise',
    'rename',
    'summary',
]
