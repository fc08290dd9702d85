"""Results of KITTI's evaluation as a table and as the flat numbers that hooks see."""

from collections.abc import Sequence

import numpy as np

from .average_precision import STEPS
from .difficulty import DIFFICULTIES
from .evaluate import Result

LEVELS = tuple(d.name for d in DIFFICULTIES)
# The number of a benchmark comes first: `save_best='auto'` takes the first one.
ORDER = ('3d', 'bev', 'bbox', 'aos')


def flat_numbers(results: Sequence[Result], *, detailed: bool = False) -> dict[str, float]:
    """Numbers by name.

    Args:
        results: of :func:`evaluate`.
        detailed: give all, not only those of moderate difficulty over 40 recall points.

    Returns:
        ``3d_mAP40_moderate``: mean over the classes that have objects, each at the first of its
        overlaps; then ``Car_3d_AP40_moderate_0.70`` and so on. In percent, NaN without objects.
    """
    levels = LEVELS if detailed else ('moderate',)
    out = {}
    for metric in (m for m in ORDER if any(r.metric == m for r in results)):
        for level in levels:
            chosen = [
                r.ap40
                for r in results
                if (r.metric, r.difficulty, r.strict) == (metric, level, True)
            ]
            valid = [ap for ap in chosen if not np.isnan(ap)]
            out[f'{metric}_mAP40_{level}'] = float(np.mean(valid)) if valid else np.nan
    for r in results:
        if r.difficulty in levels:
            place = f'{r.difficulty}_{r.min_overlap:.2f}'
            out[f'{r.name}_{r.metric}_AP40_{place}'] = r.ap40
            if detailed:
                out[f'{r.name}_{r.metric}_AP11_{place}'] = r.ap11
    return out


def table(results: Sequence[Result], images: int) -> str:
    """All numbers as text.

    Args:
        results: of :func:`evaluate`.
        images: how many were evaluated.
    """
    heads = [f'{level:>9}' for level in LEVELS]
    lines = [
        f'KITTI average precision in percent, {images} images',
        f'{"":12}{"":8}{"":8}{"AP40":>27}{"AP11":>29}',
        f'{"class":12}{"metric":8}{"overlap":>8}{"".join(heads)}  {"".join(heads)}',
    ]
    groups = {}
    for r in results:
        groups.setdefault((r.name, r.metric, r.min_overlap), {})[r.difficulty] = r
    named = None
    for (name, metric, min_overlap), row in groups.items():
        if name != named:
            objects = ''.join(f'{row[level].objects:9d}' for level in LEVELS)
            lines.append(f'{name:12}{"objects":8}{"":8}{objects}')
            named = name
        ap40, ap11 = (
            ''.join(f'{_number(getattr(row[level], kind)):>9}' for level in LEVELS)
            for kind in ('ap40', 'ap11')
        )
        lines.append(f'{"":12}{metric:8}{min_overlap:8.2f}{ap40}  {ap11}')
    if any(0 < r.objects < STEPS for r in results):
        lines.append(
            f'over fewer than {STEPS} objects: plain interpolated precision; the devkit gives less'
        )
    if any(np.isnan(r.ap40) for r in results):
        lines.append('-: no objects to be found')
    return '\n'.join(lines)


def _number(value: float) -> str:
    return '-' if np.isnan(value) else f'{value:.2f}'
