from .boxes3d import draw_birds_eye, draw_boxes3d
from .draw import class_color, crop_heatmap, draw_boxes, enlarge, overlay_heatmap
from .panel import contact_sheet, side_by_side
from .skeletons import draw_skeletons

__all__ = [
    'class_color',
    'contact_sheet',
    'crop_heatmap',
    'draw_birds_eye',
    'draw_boxes',
    'draw_boxes3d',
    'draw_skeletons',
    'enlarge',
    'overlay_heatmap',
    'side_by_side',
]
