import cv2
import numpy as np
import pytest
from box_formats import write_images
from PIL import Image

from centernet_plugin.datasets.converters import ImageFolder
from centernet_plugin.errors import UserInputError


@pytest.fixture
def folder(tmp_path):
    names = ('a.jpg', 'B.JPG', 'day/c.png', 'night/c.png', 'day/d.v2.jpg', 'x.tif', '.hidden.jpg')
    root = write_images(tmp_path / 'set', dict.fromkeys(names, (8, 6)))
    (root / 'notes.txt').write_text('')
    (root / 'day/again').symlink_to(root)
    return ImageFolder(root)


def test_images_below_the_folder(folder):
    assert folder.names == ['B.JPG', 'a.jpg', 'day/c.png', 'day/d.v2.jpg', 'night/c.png', 'x.tif']
    assert folder.size('a.jpg') == (8, 6)


@pytest.mark.parametrize(
    ('name', 'image'),
    [
        ('a.jpg', 'a.jpg'),
        ('./a.jpg', 'a.jpg'),
        (' "a.jpg" ', 'a.jpg'),
        ('A.JPG', 'a.jpg'),
        ('b', 'B.JPG'),
        ('day\\c.png', 'day/c.png'),
        ('D:\\all\\day\\c.png', 'day/c.png'),
        ('day/../night/c.png', 'night/c.png'),
        ('d.v2.jpg', 'day/d.v2.jpg'),
        ('d.v2', 'day/d.v2.jpg'),
        ('/elsewhere/x.tif', 'x.tif'),
        ('other/d.v2.jpg', None),
        ('a.png', None),
        ('d', None),
        ('', None),
        ('..', None),
        ('/', None),
    ],
)
def test_what_annotations_call_them(folder, name, image):
    assert folder.find(name, 'line 1') == image
    assert folder.find(name, 'line 2') == image


def test_several_that_may_be_meant(folder):
    with pytest.raises(UserInputError, match="'c.png', which may be 'day/c.png' or 'night/c.png'"):
        folder.find('c.png', 'line 1')


def test_two_names_of_one_image(folder):
    assert folder.find('train/a.jpg', 'line 1') == 'a.jpg'
    assert folder.find('a.jpg', 'line 2') == 'a.jpg'
    with pytest.raises(UserInputError, match="line 3 names 'val/a.jpg' and line 1 'train/a.jpg'"):
        folder.find('val/a.jpg', 'line 3')


def test_no_folder_and_no_images(tmp_path):
    with pytest.raises(UserInputError, match='does not exist'):
        ImageFolder(tmp_path / 'nowhere')
    with pytest.raises(UserInputError, match='no image in'):
        ImageFolder(tmp_path)


def test_sizes_are_those_of_the_image_as_it_is_loaded(tmp_path):
    """EXIF turns a photograph before a network sees it."""
    image = Image.fromarray(np.zeros((6, 8, 3), np.uint8))
    exif = image.getexif()
    exif[274] = 6
    image.save(tmp_path / 'turned.jpg', exif=exif)
    (tmp_path / 'broken.png').write_bytes(b'\x89PNG\r\n')
    folder = ImageFolder(tmp_path)
    assert folder.size('turned.jpg') == (6, 8)
    assert cv2.imread(str(tmp_path / 'turned.jpg')).shape[:2] == (8, 6)
    assert folder.size('broken.png') is None
