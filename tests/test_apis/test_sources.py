"""What a user may name, and what is then read, under which names."""

import re

import cv2
import pytest
from moving_square import FakeCamera, picture

from centernet_plugin.apis import find_sources, sources
from centernet_plugin.apis.image_files import ImageFiles
from centernet_plugin.apis.sources import is_video
from centernet_plugin.apis.video import Video
from centernet_plugin.errors import UserInputError


def found(*inputs, **options):
    """Names by path, of all sources."""
    result = {}
    for source in find_sources(inputs, **options):
        names = source.names if isinstance(source, ImageFiles) else [source.name]
        result.update(zip(source.paths, names, strict=True))
    return result


def test_an_image_and_a_video(files):
    assert found('photos/a.png') == {'photos/a.png': 'a'}
    (source,) = find_sources(['clip.avi'])
    assert isinstance(source, Video) and (source.name, source.total, source.fps) == ('clip', 7, 10)


def test_a_folder_has_images_and_videos(files):
    (files / 'clip.avi').rename('photos/clip.avi')
    flat = {f'photos/{name}': name.split('.')[0] for name in ('a.png', 'b.png', 'clip.avi')}
    assert found('photos') == found('photos/') == flat
    assert found('photos', recursive=True) == flat | {'photos/deep/c.png': 'deep/c'}


def test_patterns(files):
    assert found('photos/*.png') == {'photos/a.png': 'a', 'photos/b.png': 'b'}
    assert found('photos/**/*.png')['photos/deep/c.png'] == 'deep/c'
    assert found(str(files / 'photos/*'))[str(files / 'photos/b.png')] == 'b'
    cv2.imwrite('photos/[1].png', picture(1))
    assert found('photos/[1].png') == {'photos/[1].png': '[1]'}, 'a file of that name comes first'


def test_a_list(files):
    lines = ['# two images', 'photos/a.png', '', 'http://host/x.jpg', 'b.png', 'gone.jpg']
    (files / 'photos/list.txt').write_text('\n'.join(lines))
    assert found('photos/list.txt') == {
        'photos/a.png': 'a',
        'http://host/x.jpg': 'x',
        'photos/b.png': 'b',  # beside the list
        'gone.jpg': 'gone',  # said when it is read
    }


def test_several_of_them_keep_their_order(files):
    sources = find_sources(['photos', 'clip.avi', 'photos/deep/c.png', 'http://host/y.png'])
    assert [type(source) for source in sources] == [ImageFiles, Video, ImageFiles]
    assert [source.total for source in sources] == [2, 7, 2]


def test_a_camera_by_its_number(files):
    camera = FakeCamera()
    (source,) = find_sources(['0'], open_capture=camera)
    assert camera.source == 0 and camera.released == 1
    assert (source.name, source.fps, source.total) == ('camera0', 30, None)
    (files / '1').write_bytes((files / 'photos/a.png').read_bytes())
    assert found('1') == {'1': '1'}, 'a file of that name comes first'


@pytest.mark.parametrize(
    ('address', 'video'),
    [
        ('https://host/a.jpg?size=3', False),
        ('https://host/photo', False),
        ('https://host/a.mp4?start=3', True),
        ('rtsp://host/stream', True),
        ('s3://bucket/a.png', False),
        ('folder/a.MP4', True),
        (0, True),
    ],
)
def test_addresses(address, video):
    assert is_video(address) == video


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('nowhere', "image or folder 'nowhere' does not exist"),
        ('nowhere.mp4', "video 'nowhere.mp4' does not exist"),
        ('photos/*.tif', "no image or video matches 'photos/*.tif'"),
        ('empty', "folder 'empty' has no images or videos"),
        ('empty.txt', "list 'empty.txt' is empty"),
        ('bytes.txt', "'bytes.txt' is not a text file that lists images"),
    ],
)
def test_mistakes(files, text, sentence):
    (files / 'empty').mkdir()
    (files / 'empty.txt').write_text('# nothing\n')
    (files / 'bytes.txt').write_bytes(b'\xff\xfe\x80')
    with pytest.raises(UserInputError) as raised:
        find_sources([text])
    assert str(raised.value).startswith(sentence)


def test_camera_that_is_not_there():
    with pytest.raises(UserInputError, match='camera 3 cannot be opened'):
        find_sources(['3'], open_capture=FakeCamera(opened=False))
    with pytest.raises(UserInputError, match='at least 1 frame'):
        find_sources(['3'], max_frames=0)


def test_results_are_no_images_to_detect_on(files):
    (files / 'out/vis/deep').mkdir(parents=True)
    (files / 'out/mine').mkdir()
    for path in ('out/vis/a.jpg', 'out/vis/deep/c.jpg', 'out/mine/m.jpg'):
        (files / path).touch()
    expected = {f'photos/{name}.png' for name in ('a', 'b', 'deep/c')} | {'out/mine/m.jpg'}
    options = dict(leave_out=['out/vis'], recursive=True)
    assert set(found('.', **options)) == expected | {'clip.avi'}
    assert set(found(str(files), **options)) == {str(files / p) for p in expected | {'clip.avi'}}
    assert set(found('**/*.[jp]*g', **options)) == expected
    for named in ('out/vis', 'out/vis/deep', 'out/vis/deep/*', 'out/vis/deep/c.jpg'):
        assert 'out/vis/deep/c.jpg' in found(named, **options), 'who names it means it'


def test_hidden_files_of_folders_are_left_out(files):
    (files / 'photos/.thumbnails').mkdir()
    (files / 'photos/._a.png').touch()
    (files / 'photos/.thumbnails/a.png').touch()
    assert set(found('photos', recursive=True)) == {
        f'photos/{name}.png' for name in ('a', 'b', 'deep/c')
    }
    assert found('photos/._a.png') == {'photos/._a.png': '._a'}


def test_an_address_of_a_file(files):
    (files / 'a b.png').write_bytes((files / 'photos/a.png').read_bytes())
    address = (files / 'a b.png').as_uri()
    assert '%20' in address and found(address) == {str(files / 'a b.png'): 'a b'}
    assert set(found((files / 'photos').as_uri())) == {
        str(files / f'photos/{name}.png') for name in 'ab'
    }
    with pytest.raises(UserInputError, match="image or folder '/nowhere.png' does not exist"):
        found('file:///nowhere.png')


def test_what_is_no_regular_file(files, monkeypatch):
    assert found('/dev/null') == {'/dev/null': 'null'}
    monkeypatch.setattr(sources, 'DEVICE', re.compile('.*/video([0-9]+)'))
    (files / 'video2').touch()
    (files / 'by-name').symlink_to('video2')
    for device in ('video2', 'by-name'):
        camera = FakeCamera()
        (source,) = find_sources([device], open_capture=camera)
        assert (camera.source, source.name) == (2, 'camera2')


def test_a_list_with_a_byte_order_mark(files):
    (files / 'list.txt').write_text('photos/a.png\n', encoding='utf-8-sig')
    assert found('list.txt') == {'photos/a.png': 'a'}
