import cv2
import numpy as np
import pytest
from PIL import Image

from centernet_plugin.datasets.inspection.files import check_files, file_findings, read_size


def picture(path, width=40, height=30, **kwargs):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path, **kwargs)
    return str(path)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'tif', 'webp', 'gif'])
def test_size_is_what_is_loaded(tmp_path, suffix):
    path = picture(tmp_path / f'a.{suffix}')
    assert read_size(path) == read_size(path, full=True) == ((40, 30), False)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_turns_as_opencv_does(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[274] = orientation
    path = picture(tmp_path / f'a.{suffix}', exif=exif)
    (size, turned), loaded = read_size(path), cv2.imread(path)
    assert size == loaded.shape[1::-1]
    assert turned == (size == (30, 40)) and (turned == (orientation >= 5) or suffix == 'webp')
    assert read_size(path, use_exif=False) == ((40, 30), False)


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
@pytest.mark.parametrize('full', [False, True])
def test_files_that_break_off(tmp_path, suffix, full):
    path = tmp_path / f'a.{suffix}'
    picture(path)
    content = path.read_bytes()
    path.write_bytes(content + bytes(20))
    assert read_size(str(path), full=full) is not None, 'padding does no harm'
    for length in (len(content) - 200, 30, 0):
        path.write_bytes(content[:length])
        assert read_size(str(path), full=full) is None
    path.write_text('<html>404</html>')
    assert read_size(str(path), full=full) is None


def test_a_broken_middle_needs_full(tmp_path):
    path = tmp_path / 'a.png'
    picture(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert read_size(str(path)) is not None
    assert check_files([str(path)], np.array([[40, 30]]), full=True).unreadable == [0]


def test_report_and_sentences(tmp_path):
    paths = [picture(tmp_path / f'{name}.jpg') for name in 'abc']
    paths += [str(tmp_path / 'd.jpg'), paths[0]]
    (tmp_path / 'D.png').write_bytes(b'')
    sizes = np.array([[40, 30], [40, 31], [0, 0], [1, 1], [40, 30]])
    steps = []
    report = check_files(paths, sizes, full=True, advance=lambda: steps.append(1))
    assert len(steps) == report.checked == 5
    assert (report.missing, report.unreadable, report.sizes) == ([3], [], {1: (40, 30)})
    assert report.same == [[0, 1, 2, 4]]
    missing, size, same = file_findings(report, paths, sizes)
    assert '1 image file of 5 not there: add them' in missing.message
    assert missing.message.endswith("'D.png' is there instead.")
    assert size.examples == (f'{paths[1]}: 40 x 30, annotated 40 x 31',)
    assert (same.severity, same.count) == ('warning', 3)
    report = check_files(paths[3:4], sizes[3:4])
    assert 'set data_prefix' in file_findings(report, paths[3:4], sizes[3:4])[0].message


def test_why_files_are_missing(tmp_path):
    for path, hint in (
        (tmp_path / 'no/a.jpg', 'There is no folder'),
        (tmp_path / 'no\\a.jpg', 'no separator here'),
        (tmp_path / 'a.jpg', 'images'),
    ):
        report = check_files([str(path)], np.zeros((1, 2)))
        assert hint in file_findings(report, [str(path)], np.zeros((1, 2)))[0].message
