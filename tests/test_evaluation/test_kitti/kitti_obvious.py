"""KITTI's evaluation once more, object by object and threshold by threshold."""

import math
from fractions import Fraction

LIMITS = {'easy': (40, 0, 0.15), 'moderate': (25, 1, 0.3), 'hard': (25, 2, 0.5)}
NEIGHBOURS = {'Car': 'Van', 'Pedestrian': 'Person_sitting'}


def shared_in_image(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def area(a):
    return (a[2] - a[0]) * (a[3] - a[1])


def outline(place, size, turn):
    """Corners x, z, seen from above, counted one way round."""
    _, width, length = size
    corners = []
    for along, across in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
        a, b = along * length / 2, across * width / 2
        corners.append(
            (
                place[0] + a * math.cos(turn) + b * math.sin(turn),
                place[2] - a * math.sin(turn) + b * math.cos(turn),
            )
        )
    return corners


def polygon_area(points):
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum(x * v - u * y for (x, y), (u, v) in pairs)) / 2


def clip(points, start, end, inside):
    """What of a convex polygon lies on the same side of a line as a point."""

    def side(p):
        return (end[0] - start[0]) * (p[1] - start[1]) - (end[1] - start[1]) * (p[0] - start[0])

    sign = math.copysign(1, side(inside))
    out = []
    for p, q in zip(points, points[1:] + points[:1], strict=True):
        a, b = sign * side(p), sign * side(q)
        if a >= 0:
            out.append(p)
        if a * b < 0:
            t = a / (a - b)
            out.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    return out


def shared_on_ground(a, b):
    points = a
    centre = (sum(x for x, _ in b) / 4, sum(y for _, y in b) / 4)
    for start, end in zip(b, b[1:] + b[:1], strict=True):
        points = clip(points, start, end, centre)
        if len(points) < 3:
            return 0.0
    return polygon_area(points)


def overlap(metric, found, d, truth, g):
    if metric in ('bbox', 'aos'):
        a, b = found.bboxes[d], truth.bboxes[g]
        shared = shared_in_image(a, b)
        return shared / (area(a) + area(b) - shared)
    if truth.types[g] == 'DontCare':
        return 0.0
    size, other = found.dimensions[d], truth.dimensions[g]
    shared = shared_on_ground(
        outline(found.locations[d], size, found.rotations_y[d]),
        outline(truth.locations[g], other, truth.rotations_y[g]),
    )
    whole, other_whole = size[1] * size[2], other[1] * other[2]
    if metric == '3d':
        bottom, other_bottom = found.locations[d][1], truth.locations[g][1]
        top, other_top = bottom - size[0], other_bottom - other[0]
        shared *= max(min(bottom, other_bottom) - max(top, other_top), 0)
        whole, other_whole = whole * size[0], other_whole * other[0]
    return shared / (whole + other_whole - shared)


def ignored(objects, name, level, detections=False):
    """0 counts, 1 is neutral, -1 is none of the class's business."""
    height, occlusion, truncation = LIMITS[level]
    out = []
    for i, kind in enumerate(objects.types):
        small = abs(objects.bboxes[i][3] - objects.bboxes[i][1]) < height
        if detections:
            out.append(1 if small else 0 if kind == name else -1)
            continue
        hard = small or objects.occluded[i] > occlusion or objects.truncated[i] > truncation
        if kind == name:
            out.append(1 if hard else 0)
        else:
            out.append(1 if kind == NEIGHBOURS.get(name) else -1)
    return out


def match(truth, found, name, metric, level, min_overlap, threshold=None):
    """Scores, false detections and similarity of an image; all detections without a threshold."""
    of_truth, of_found = ignored(truth, name, level), ignored(found, name, level, True)
    present = [
        d
        for d in range(len(found.types))
        if of_found[d] >= 0 and (threshold is None or found.scores[d] >= threshold)
    ]
    taken, scores, similarity = set(), [], 0.0
    for g in range(len(truth.types)):
        if of_truth[g] < 0:
            continue
        best, best_value = None, None
        for d in present:
            if d in taken:
                continue
            value = overlap(metric, found, d, truth, g)
            if value <= min_overlap:
                continue
            if threshold is None:
                value = found.scores[d]
            elif of_found[d] == 1:
                value = 0  # below every counted one; the first stays
            if best is None or value > best_value:
                best, best_value = d, value
        if best is None:
            continue
        taken.add(best)
        if of_truth[g] == 0 and of_found[best] == 0:
            scores.append(found.scores[best])
            similarity += (1 + math.cos(found.alphas[best] - truth.alphas[g])) / 2
    false = 0
    for d in present:
        if d in taken or of_found[d] == 1:
            continue
        absorbed = metric in ('bbox', 'aos') and any(
            kind == 'DontCare'
            and shared_in_image(found.bboxes[d], truth.bboxes[g])
            > min_overlap * area(found.bboxes[d])
            for g, kind in enumerate(truth.types)
        )
        false += not absorbed
    return scores, false, similarity


def thresholds(scores, objects):
    scores = sorted(scores, reverse=True)
    out = []
    if objects <= 40:
        for step in range(41):
            reached = [
                s for i, s in enumerate(scores) if Fraction(i + 1, objects) >= Fraction(step, 40)
            ]
            if reached:
                out.append(reached[0])
        return out
    recall = 0.0
    for i, score in enumerate(scores):
        left = (i + 1) / objects
        right = (i + 2) / objects if i < len(scores) - 1 else left
        if right - recall < recall - left and i < len(scores) - 1:
            continue
        out.append(score)
        recall += 1 / 40
    return out


def average_precisions(truths, founds, name, metric, level, min_overlap):
    """AP over 40 and over 11 recall points, in percent."""
    pairs = list(zip(truths, founds, strict=True))
    objects = sum(ignored(t, name, level).count(0) for t in truths)
    if not objects:
        return math.nan, math.nan
    args = (name, metric, level, min_overlap)
    scores = [s for t, f in pairs for s in match(t, f, *args)[0]]
    values = [0.0] * 41
    for i, threshold in enumerate(thresholds(scores, objects)):
        parts = [match(t, f, *args, threshold) for t, f in pairs]
        right = sum(len(p[0]) for p in parts)
        false = sum(p[1] for p in parts)
        hits = sum(p[2] for p in parts) if metric == 'aos' else right
        values[i] = hits / (right + false) if right + false else 0.0
    values = [max(values[i:]) for i in range(41)]
    return 100 * sum(values[1:]) / 40, 100 * sum(values[::4]) / 11
