import numpy as np
import pytest

from centernet_plugin.datasets.kitti_files import (
    KittiObjects,
    read_camera,
    read_objects,
    read_split,
    write_objects,
)
from centernet_plugin.errors import UserInputError

LABEL = 'Car 0.25 2 -1.50 10.5 20 30 40 1.5 1.6 3.9 -2 1.7 20.25 -1.6'
CAMERA = 'P0: 1\nP2: 700 0 600 45 0 700 170 -0.5 0 0 1 0.005\nP3: 2\n'


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / 'file.txt'
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_columns_of_a_label(write):
    objects = read_objects(
        write(f'{LABEL}\n\n  DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1e3 0 0 -10\r\n')
    )
    assert objects.types == ['Car', 'DontCare'] and len(objects) == 2
    assert objects.truncated.tolist() == [0.25, -1] and objects.occluded.tolist() == [2, -1]
    assert objects.occluded.dtype.kind == 'i' and objects.scores is None
    assert objects.alphas.tolist() == [-1.5, -10]
    assert objects.bboxes[0].tolist() == [10.5, 20, 30, 40]
    assert objects.dimensions[0].tolist() == [1.5, 1.6, 3.9]
    assert objects.locations.tolist() == [[-2, 1.7, 20.25], [-1000, 0, 0]]
    assert objects.rotations_y.tolist() == [-1.6, -10]


@pytest.mark.parametrize('with_scores', [False, True])
@pytest.mark.parametrize('content', ['', '\n \n'])
def test_empty_file_has_no_objects(write, content, with_scores):
    objects = read_objects(write(content), with_scores)
    assert (
        len(objects) == 0 and objects.bboxes.shape == (0, 4) and objects.locations.shape == (0, 3)
    )
    assert (objects.scores is not None) == with_scores


@pytest.mark.parametrize(
    ('content', 'with_scores', 'message'),
    [
        (f'{LABEL}\nCar 0 0\n', False, 'line 2 of .*file.txt. has 3 columns; a label .* 15'),
        (LABEL + ' 0.5', False, 'has 16 columns; a label of KITTI has 15'),
        (LABEL, True, 'has 15 columns; a result of KITTI has 16'),
        (LABEL.replace('3.9', 'x3.9'), False, "line 1 .* has 'x3.9' where a finite number"),
        (LABEL.replace('3.9', 'nan'), False, "'nan' where a finite number"),
        (LABEL.replace('3.9', '1e999'), False, 'finite'),
        (LABEL.replace('3.9', '3_9'), False, 'finite'),
        (LABEL.replace(' 2 ', ' 2.5 ', 1), False, 'occlusion 2.5'),
        (LABEL.replace(' 2 ', ' 1e30 ', 1), False, 'occlusion 1e30'),
        (b'\x89PNG\r\n\xff\x00', False, 'not a text file'),
    ],
)
def test_malformed_labels_are_named(write, content, with_scores, message):
    with pytest.raises(UserInputError, match=message):
        read_objects(write(content), with_scores)


@pytest.mark.parametrize('read', [read_objects, read_camera, read_split])
def test_missing_files_are_named(tmp_path, read):
    with pytest.raises(UserInputError, match="nowhere.txt' does not exist"):
        read(tmp_path / 'nowhere.txt')
    with pytest.raises(UserInputError, match='cannot read'):
        read(tmp_path)


def random_objects(n=20, scores=True):
    rng = np.random.default_rng(0)
    return KittiObjects(
        [str(name) for name in rng.choice(['Car', 'Pedestrian', 'DontCare'], n)],
        rng.random(n),
        rng.integers(-1, 4, n),
        rng.uniform(-3, 3, n),
        rng.uniform(-10, 1242, (n, 4)),
        rng.uniform(0, 4, (n, 3)),
        rng.uniform(-80, 80, (n, 3)),
        rng.uniform(-3, 3, n),
        rng.random(n).astype(np.float32) * np.float32(1e-3) if scores else None,
    )


@pytest.mark.parametrize('scores', [False, True])
def test_what_is_written_reads_back(tmp_path, scores):
    objects = random_objects(scores=scores)
    write_objects(tmp_path / 'a.txt', objects)
    back = read_objects(tmp_path / 'a.txt', scores)
    assert back.types == objects.types and (back.occluded == objects.occluded).all()
    for name in ('truncated', 'alphas', 'bboxes', 'dimensions', 'locations', 'rotations_y'):
        np.testing.assert_allclose(getattr(back, name), getattr(objects, name), atol=1e-6)
    if scores:
        assert (back.scores.astype(np.float32) == objects.scores).all(), 'else ties appear'


def test_nothing_is_written_as_an_empty_file(tmp_path):
    write_objects(tmp_path / 'a.txt', random_objects(0))
    assert (tmp_path / 'a.txt').read_bytes() == b''


def test_what_could_not_be_read_is_not_written(tmp_path):
    objects = random_objects(2)
    objects.locations[1, 2] = np.nan
    with pytest.raises(UserInputError, match='not finite'):
        write_objects(tmp_path / 'a.txt', objects)
    objects = random_objects(2)
    objects.types[1] = 'Person sitting'
    with pytest.raises(UserInputError, match='Person sitting'):
        write_objects(tmp_path / 'a.txt', objects)
    assert not (tmp_path / 'a.txt').exists()
    with pytest.raises(UserInputError, match='cannot write'):
        write_objects(tmp_path / 'no/a.txt', random_objects(1))


def test_camera_is_p2(write):
    matrix = read_camera(write(CAMERA))
    assert matrix.dtype == np.float64
    assert matrix.tolist() == [[700, 0, 600, 45], [0, 700, 170, -0.5], [0, 0, 1, 0.005]]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', "no line that begins with 'P2:'"),
        ('P0: 1 2 3\nP3: 4', "no line that begins with 'P2:'"),
        (CAMERA.replace(' 0.005', ''), 'P2 in line 2 .* 11 numbers instead of 12'),
        (CAMERA.replace('600', 'inf'), "'inf' where a finite number"),
        (CAMERA.replace('700', '0'), 'rectified'),
        (CAMERA.replace('0 0 1 0.005', '0 0 2 0.005'), 'rectified'),
        (b'P2: \xff', 'not a text file'),
    ],
)
def test_malformed_cameras_are_named(write, content, message):
    with pytest.raises(UserInputError, match=message):
        read_camera(write(content))


def test_split(write):
    assert read_split(write('000003\n000001\r\n\n 000002')) == ['000003', '000001', '000002']
    assert read_split(write('\ufeff000003\n')) == ['000003'], "as Windows' editors save it"
    for content, message in [
        ('\n', 'names no frames'),
        ('000001\n000002\n000001', 'frame 000001 .* twice, in line 1 and in line 3'),
        ('000001 1', 'line 1 .* not the name of a frame'),
        ('training/000001', 'not the name'),
        ('a\0b', 'not the name'),
    ]:
        with pytest.raises(UserInputError, match=message):
            read_split(write(content))


def test_scrambled_files_give_a_result_or_a_sentence(write, tried):
    tried(400)
    rng, whole = np.random.default_rng(0), f'{LABEL}\n{LABEL} 0.5\n{CAMERA}000001\n'.encode()
    readers = (read_objects, lambda path: read_objects(path, True), read_camera, read_split)
    results = 0
    for _ in range(400):
        start, stop = sorted(rng.integers(0, len(whole) + 1, 2))
        content = bytearray(whole[start:stop])
        for place in rng.integers(0, max(len(content), 1), 3)[: 3 * bool(content)]:
            content[place] = whole[rng.integers(0, len(whole))] if rng.random() < 0.8 else 200
        path = write(bytes(content))
        for read in readers:
            try:
                read(path)
                results += 1
            except UserInputError as error:
                assert '\n' not in str(error)
    assert results > 10
