from .heatmap_focal_loss import HeatmapFocalLoss, heatmap_focal_loss

__all__ = ['HeatmapFocalLoss', 'heatmap_focal_loss']
