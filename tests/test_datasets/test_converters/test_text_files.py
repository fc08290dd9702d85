import pytest

from centernet_plugin.datasets.converters.text_files import (
    clean_path,
    parse_number,
    read_names,
    read_text,
    shorten,
)
from centernet_plugin.errors import UserInputError


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_line_ends_and_marks(tmp_path, encoding):
    path = tmp_path / 'a.txt'
    path.write_bytes('Zürich\r\nb\rc\n'.encode(encoding))
    assert read_text(path) == 'Zürich\nb\nc\n'


@pytest.mark.parametrize(
    ('word', 'number'), [('1', 1), ('-1.5', -1.5), (' +.5e1 ', 5), ('1.', 1), ('0' * 400, 0)]
)
def test_numbers(word, number):
    assert parse_number(word, 'here') == number


@pytest.mark.parametrize(
    'word', ['', ' ', '1,5', '1_0', 'nan', '-inf', '1e999', '0x1', '٣', '²', '1 2', 'e', '.', '2e9']
)
def test_what_is_no_number_is_named(word):
    with pytest.raises(UserInputError, match='^here has '):
        parse_number(word, 'here')


def test_decimal_comma():
    assert parse_number('1,5', 'here', decimal_comma=True) == 1.5
    with pytest.raises(UserInputError):
        parse_number('1,000,5', 'here', decimal_comma=True)


@pytest.mark.parametrize(
    ('path', 'clean'),
    [
        ('a\\b/c.jpg', 'a/b/c.jpg'),
        (' ./a//b/./c ', 'a/b/c'),
        ('/a/../b', '/b'),
        ('../../a/..', '../..'),
        ('"a b"', 'a b'),
        ('/', '/'),
        ('', ''),
    ],
)
def test_paths(path, clean):
    assert clean_path(path) == clean


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        ('cat\ndog\n\n', ['cat', 'dog']),
        ('\ufeffcat\r\nguinea pig\r\n', ['cat', 'guinea pig']),
        ('dog,1\ncat,0\n', ['cat', 'dog']),
        ('cat, 0\ndog\n', ['cat, 0', 'dog']),
    ],
)
def test_names(tmp_path, text, names):
    (tmp_path / 'names').write_text(text, encoding='utf-8')
    assert read_names(tmp_path / 'names') == names


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'names no class'),
        ('cat\n\ndog', 'class 1 .* has no name'),
        ('cat\ncat', "names the class 'cat' twice"),
        ('cat,0\ndog,2', 'not numbered 0 to 1'),
        ('cat,0\ndog,0', 'not numbered 0 to 1'),
    ],
)
def test_wrong_names_are_named(tmp_path, text, message):
    (tmp_path / 'names').write_text(text)
    with pytest.raises(UserInputError, match=message):
        read_names(tmp_path / 'names')


def test_long_words_are_cut():
    assert len(shorten('x\n' * 1000)) < 100 and '\n' not in shorten('x\n')
