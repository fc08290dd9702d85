"""The whole check of one split of a config."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from mmengine.config import Config, ConfigDict

from ...errors import UserInputError
from .annotations import Annotations
from .boxes import box_defects, box_findings
from .classes import class_findings, unnamed_classes
from .files import FileReport, check_files, file_findings
from .finding import Finding, worst_first
from .grid import GridStatistics, grid_findings, grid_statistics, scale_findings
from .images import image_findings, objects_per_image
from .probe import Placement, pipeline_findings, place_boxes, probe_pipeline
from .sample import Sample, draw_samples, join_samples, sample_findings
from .split import (
    SPLITS,
    Split,
    evaluator_findings,
    leaf_configs,
    loader_findings,
    read_split,
)

SHOW_IGNORED = 2  # images with ignored objects that are shown, where there are any

Track = Callable[[str, int], Callable[[int], None]]


@dataclass
class Options:
    """What of a model matters here.

    Attributes:
        stride: input pixels per cell.
        divisor: sides of the input are padded to multiples of it.
        num_classes, max_per_img: of the head; None where there is none.
        crowds_are_objects: whether ignored objects are trained on as others.
        stand_in_for: the head, where it is not this package's.
    """

    stride: int = 4
    divisor: int = 1
    num_classes: int | None = None
    max_per_img: int | None = None
    crowds_are_objects: bool = False
    stand_in_for: str = ''


@dataclass
class Check:
    """What came out.

    Attributes:
        name: of the split.
        split: what was read.
        files: of the images; None where they are not on this machine.
        unnamed: objects of classes that the config does not name.
        grids: statistics by where they were taken, ``'at test'`` and ``'in training'``.
        samples: what the pipeline made of some images.
        findings: worst first.
    """

    name: str
    split: Split
    files: FileReport | None = None
    unnamed: dict[str, int] = field(default_factory=dict)
    grids: dict[str, GridStatistics] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def count(self, severity: str) -> int:
        """Number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)


def _no_track(what: str, total: int) -> Callable[[int], None]:
    return lambda number: None


def check_split(
    config: Config,
    name: str,
    options: Options,
    *,
    num_samples: int = 200,
    num_pictures: int = 16,
    seed: int = 0,
    full: bool = False,
    track: Track = _no_track,
) -> Check:
    """Read a split, look at its annotations, files and cells, and run its pipeline.

    Args:
        config: complete; its default scope is set.
        name: ``'train'``, ``'val'`` or ``'test'``.
        options: of the model.
        num_samples: training images to run the pipeline on.
        num_pictures: samples that keep their picture.
        seed: of the samples.
        full: decode every image.
        track: called with a description and a number of steps; what it returns is called with
            steps that were done.

    Raises:
        UserInputError: there is no such split, or nothing of it can be read.
    """
    if name not in SPLITS or not config.get(f'{name}_dataloader'):
        raise UserInputError(f'the config has no {name}_dataloader')
    loader = config[f'{name}_dataloader']
    split = read_split(loader.dataset)
    check = Check(name=name, split=split, findings=list(split.findings))
    if split.table is not None:
        _check_annotations(check, config, options)
        _check_files(check, loader.dataset, full, track)
        _check_test(check, config, options, track)
    if split.dataset is not None and len(split.table):
        _check_pipeline(check, options, num_samples, num_pictures, seed, track)
    if options.stand_in_for:
        message = (
            f"'{options.stand_in_for}' is no head of centernet_plugin: cells and targets are those "
            f'of its CenterNetHead at stride {options.stride}.'
        )
        check.findings.append(Finding('note', 'other-head', message))
    check.findings = worst_first(check.findings)
    return check


def _check_annotations(check: Check, config: Config, options: Options) -> None:
    split, training = check.split, check.name == 'train'
    table = split.table
    if split.dataset is None:  # as the file has it, also what no dataset would take
        valid = (table.image >= 0) & (table.labels >= 0) & np.isfinite(table.boxes).all(1)
        split.table = table = table.select(valid)
    else:
        check.unnamed = unnamed_classes(split.raws, split.classes)
        check.findings += class_findings(
            table, check.unnamed, num_classes=options.num_classes, training=training
        )
    check.findings += image_findings(table, max_per_img=options.max_per_img)
    check.findings += box_findings(table, box_defects(table))
    if training:
        images = len(split.dataset) if split.dataset is not None else len(table)
        check.findings += loader_findings(config.train_dataloader, images)
    else:
        check.findings += evaluator_findings(config.get(f'{check.name}_evaluator'), split.raws)


def _check_files(check: Check, dataset: ConfigDict, full: bool, track: Track) -> None:
    table = check.split.table
    if any('://' in path for path in table.paths):
        return
    advance = track('image files', len(table))
    leaf = next(leaf_configs(dataset))
    loading = next((s for s in leaf.get('pipeline', ()) if 'LoadImage' in str(s.get('type'))), {})
    report = check_files(
        table.paths,
        table.sizes,
        full=full,
        use_exif='ignore_orientation' not in loading.get('color_type', 'color'),
        advance=lambda: advance(1),
    )
    check.files = report
    check.findings += file_findings(report, table.paths, table.sizes)


def _check_test(check: Check, config: Config, options: Options, track: Track) -> None:
    """The objects where the test pipeline puts them; training sets have those of their own too."""
    table, name = check.split.table, check.name
    names = ('test', 'val') if name == 'train' else (name,)
    loader = next((config[f'{n}_dataloader'] for n in names if config.get(f'{n}_dataloader')), None)
    if loader is None or not len(table):
        return
    pipeline = next(leaf_configs(loader.dataset)).get('pipeline', ())
    advance = track('test sizes', len(table))
    try:
        placement = probe_pipeline(pipeline, table.sizes, divisor=options.divisor, advance=advance)
    except Exception as error:  # whatever a pipeline may raise
        check.findings.append(
            Finding(
                'note',
                'test-pipeline',
                'Sizes at test are not known, for the test pipeline does not take a blank image: '
                f'{type(error).__name__}: {error}',
            )
        )
        return
    check.findings += pipeline_findings(pipeline, placement)
    grid = _grid_at_test(table, placement, options)
    finer = _grid_at_test(table, placement, options, times=2)
    check.grids['at test'] = grid
    check.findings += grid_findings(
        grid,
        'test',
        where='at test',
        larger='enlarge the images in the test pipeline',
        finer=finer,
    )


def _grid_at_test(
    table: Annotations, placement: Placement, options: Options, times: int = 1
) -> GridStatistics:
    keep = placement.known[table.image] & (~table.ignored | options.crowds_are_objects)
    boxes = place_boxes(table.boxes[keep], table.image[keep], placement) * times
    sizes = placement.size * times // options.stride
    labels, image = table.labels[keep], table.image[keep]
    return grid_statistics(boxes, labels, image, sizes, stride=options.stride)


def _check_pipeline(
    check: Check, options: Options, samples: int, pictures: int, seed: int, track: Track
) -> None:
    dataset, training = check.split.dataset, check.name == 'train'
    table = check.split.table
    ignored = np.unique(table.image[table.ignored])[:SHOW_IGNORED].tolist()
    number = max(samples, pictures) if training else min(pictures, len(dataset))
    advance = track('pipeline', number)
    check.samples, failures = draw_samples(
        dataset,
        number,
        pictures=pictures,
        seed=seed,
        first=ignored,
        again=training,
        advance=lambda: advance(1),
    )
    if not training:
        place_samples(check.samples, table)
        check.findings += sample_findings([], failures, 0)
        return
    empty = float((objects_per_image(table) == 0).mean())
    check.findings += sample_findings(check.samples, failures, empty)
    drawn = join_samples(check.samples, dataset)
    drawn = drawn.select(~drawn.ignored | options.crowds_are_objects)
    sizes = -(-drawn.sizes // options.divisor) * options.divisor // options.stride
    grid = grid_statistics(
        drawn.boxes, drawn.labels, drawn.image, sizes, stride=options.stride, cropped=True
    )
    check.grids['in training'] = grid
    check.findings += grid_findings(
        grid,
        'train',
        where=f'in {len(check.samples)} training samples',
        larger='take a larger input, or crops of less of the image, in the training pipeline',
    )
    if 'at test' in check.grids:
        check.findings += scale_findings(grid, check.grids['at test'])


def place_samples(samples: list[Sample], table: Annotations) -> None:
    """Give samples of a test pipeline the boxes of their images, where the input has them.

    Such a pipeline may load them before or after it scales the image, which nothing tells.
    """
    number = {path: i for i, path in enumerate(table.paths)}
    for sample in samples:
        mine = table.image == number.get(sample.path, -1)
        scale = np.array(sample.geometry.get('scale_factor', (1, 1)), np.float64)[:2]
        top, _, left, _ = sample.geometry.get('border', (0, 0, 0, 0))
        placed = table.boxes[mine] * np.tile(scale, 2) + [left, top, left, top]
        sample.boxes = placed.astype(np.float32)
        sample.labels, sample.ignored = table.labels[mine], table.ignored[mine]
