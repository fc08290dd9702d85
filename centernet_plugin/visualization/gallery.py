"""Pictures of chosen images of an analysed test set, and all of them on one sheet."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from ..errors import UserInputError
from ..evaluation import Analysis
from .outcome import LEGEND, outcome_card, outcome_tile
from .panel import contact_sheet

OLD = '[0-9]*_f1-[0-9.]*_*.png'


def draw_gallery(
    analysis: Analysis,
    rows: Iterable[dict],
    out_dir: Path,
    name: str,
    heatmap_of: Callable[[int], np.ndarray | None] = lambda index: None,
) -> list[Path]:
    """Draws a card per image into ``out_dir/name`` and the overview ``out_dir/name.png``.

    Args:
        analysis: of the test set.
        rows: images in the order of their rank, some of :meth:`Analysis.image_rows`.
        out_dir: folder; pictures of an earlier gallery of the same name are removed from it.
        name: ``'worst'`` or ``'best'``.
        heatmap_of: gives the heat-map of an image, (h, w) over all of it, or None.

    Returns:
        The cards' files.

    Raises:
        UserInputError: an image is not readable, or a picture cannot be written.
    """
    folder = out_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    overview = out_dir / f'{name}.png'
    for old in [*folder.glob(OLD), overview]:
        old.unlink(missing_ok=True)
    paths, tiles, captions = [], [], []
    threshold = analysis.verdicts.threshold
    for rank, row in enumerate(rows, start=1):
        file = Path(row['path'])
        image = cv2.imread(str(file))
        if image is None:
            raise UserInputError(f"image '{file}' is not readable")
        truth, found = analysis.objects_of(row['index']), analysis.detections_of(row['index'])
        card = outcome_card(
            image,
            truth,
            found,
            heatmap_of(row['index']),
            analysis.truth.classes,
            title=f'{name} {rank}    F1 {row["f1"]:.3f}    {file.parent.name}/{file.name}',
            threshold=threshold,
        )
        paths.append(folder / picture_name(rank, row['f1'], file))
        save(paths[-1], card)
        tiles.append(outcome_tile(image, truth, found))
        captions.append(f'{rank}   F1 {row["f1"]:.3f}   {file.stem}')
    if tiles:
        title = (
            f'{name} {len(tiles)} of {len(analysis.truth.ids)} images by F1, the mean over IoU '
            f'0.5 to 0.95, at score {threshold:.3g} or more'
        )
        save(overview, contact_sheet(tiles, captions, title=title, legend=LEGEND))
    return paths


def picture_name(rank: int, f1: float, image: Path) -> str:
    """``03_f1-0.412_IMAGE.png``; of the image's name what every file system takes."""
    stem = re.sub(r'[^\w.-]+', '_', image.stem)[:80]
    return f'{rank:02d}_f1-{f1:.3f}_{stem}.png'


def save(path: Path, image: np.ndarray) -> None:
    """Writes a picture.

    Raises:
        UserInputError: it could not be written.
    """
    if not cv2.imwrite(str(path), image):
        raise UserInputError(f"cannot write the picture '{path}'; is the disk full?")
