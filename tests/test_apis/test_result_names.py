import pytest

from centernet_plugin.apis import result_names
from centernet_plugin.apis.result_names import picture_name


def test_names():
    assert result_names(['a.jpg', 'b.png']) == ['a', 'b']
    assert result_names(['a.jpg', 'a.png', 'b.png']) == ['a.jpg', 'a.png', 'b']
    assert result_names(['a.jpg', 'a.jpg', 'a_2.jpg', 'a.jpg']) == ['a', 'a_2', 'a_2_2', 'a_3']
    assert result_names(['s/a.jpg', 'a.jpg']) == ['s/a', 'a']
    assert result_names(['x.jpg', 'x.jpg.jpg']) == ['x', 'x.jpg']
    assert result_names(['camera0', 'v1.2/a.b.jpg']) == ['camera0', 'v1.2/a.b']


@pytest.mark.parametrize(
    ('files', 'pictures'),
    [
        (['x.jpg', 'x.jpg.jpg'], ['x.jpg', 'x.jpg.jpg']),
        (['a.jpg', 'a.png', 'd/a.jpg'], ['a.jpg', 'a.png', 'd/a.jpg']),
        (['photo', 'photo.jpg'], ['photo.jpg', 'photo.jpg_2.jpg']),  # an address without a suffix
        (
            ['a.jpg', 'a.jpg', 'a_2.jpg', 'a_2.png'],
            ['a.jpg', 'a_2.jpg', 'a_2.jpg_2.jpg', 'a_2.png'],
        ),
    ],
)
def test_no_two_share_a_picture(files, pictures):
    names = result_names(files)
    assert list(map(picture_name, names, files)) == pictures
