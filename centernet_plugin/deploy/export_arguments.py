"""What the scripts that export a detector have in common on their command lines."""

import argparse

import torch
from mmengine.config import Config

from ..engine import cli


def add_export_arguments(parser: argparse.ArgumentParser, out: str, tolerances: str) -> None:
    """Adds what is exported, how it is compared, and :func:`cli.add_cfg_options`.

    Args:
        parser: of the script, which adds ``--dtype`` itself.
        out: what the help calls the file to write, such as ``'OUT.onnx'``.
        tolerances: the defaults of ``--tolerance``, for the help.
    """
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='checkpoint file')
    parser.add_argument('out', metavar=out, help='file to write')
    parser.add_argument(
        '--raw-maps', action='store_true', help="the head's maps as outputs instead of detections"
    )
    parser.add_argument(
        '--shape',
        nargs=3,
        type=cli.positive,
        metavar=('BATCH', 'HEIGHT', 'WIDTH'),
        help='for this one shape of images (default: any)',
    )
    parser.add_argument('--no-check', action='store_true', help='do not compare with PyTorch')
    parser.add_argument(
        '--tolerance',
        type=float,
        help='difference of maps from PyTorch, as a part of their largest value, from which to '
        f'fail (default: {tolerances})',
    )
    cli.add_cfg_options(parser)


def read_export_config(args: argparse.Namespace) -> Config:
    """The config, if the checkpoint is there and the file can be written.

    Raises:
        UserInputError: they are not.
    """
    cli.require_file(args.checkpoint, 'checkpoint')
    config = cli.read_config(args.config, args.cfg_options)
    cli.require_place(args.out)
    return config


def export_options(args: argparse.Namespace) -> dict:
    """The arguments of ``make_onnx`` and ``make_program`` that these are."""
    return dict(
        raw_maps=args.raw_maps,
        dtype=getattr(torch, args.dtype),
        shape=args.shape and tuple(args.shape),
        check=not args.no_check,
        tolerance=args.tolerance,
        report=lambda text: print(text, flush=True),
    )
