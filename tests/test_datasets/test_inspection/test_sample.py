import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes

from centernet_plugin.datasets.inspection.sample import draw_samples
from centernet_plugin.datasets.transforms import PackDetInputs, PaperColorJitter


@pytest.mark.parametrize('on_device', [False, True])
def test_pictures_show_the_colours(on_device):
    """Also those that are applied on the device only."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)

    def packed(jitter):
        results = dict(
            img=image,
            img_shape=(6, 8),
            gt_bboxes=HorizontalBoxes(np.array([[1, 2, 5, 6]], np.float32)),
            gt_bboxes_labels=np.array([0]),
            gt_ignore_flags=np.array([False]),
        )
        return PackDetInputs(meta_keys=())(jitter(results))

    class Dataset:
        def __getitem__(self, index):
            return packed(PaperColorJitter(on_device=on_device))

        def __len__(self):
            return 1

    (sample,), failures = draw_samples(Dataset(), 1, pictures=1, seed=4)
    assert not failures
    np.random.seed(4)
    jitter = PaperColorJitter()
    expected = jitter(dict(img=image))['img'].round().clip(0, 255)
    assert np.abs(expected - image).max() > 20
    assert np.abs(sample.image - expected).max() <= 1
