import pytest
from box_formats import SET, SIZES, as_set, csv_text

from centernet_plugin.datasets.converters import CsvOptions, ImageFolder, Tally, read_csv
from centernet_plugin.errors import UserInputError


@pytest.fixture
def read(images, tmp_path):
    """Converts the text, or bytes, of a table; gives the set and the tally."""

    def read(content, tally=None, **options):
        path = tmp_path / 'set.csv'
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        tally = tally or Tally()
        boxes = read_csv([path], ImageFolder(images), tally, CsvOptions(**options))
        return as_set(boxes, tally)

    return read


BOX = {'a.jpg': [('cat', 10, 5, 30, 25)]}


@pytest.mark.parametrize(
    'content',
    [
        'filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,60,40,cat,10,5,30,25\n',
        'Image Path;Label;Left;Top;Right;Bottom\r\na.jpg;cat;10,0;5;3e1;25\r\n',
        'sep=;\nimage;x1;y1;x2;y2;class\na.jpg;cat;;;;\na.jpg;10;5;30;25;cat\n'.replace(
            'a.jpg;cat;;;;\n', ''
        ),
        '\ufeffimage\tx\ty\tw\th\tcategory\na.jpg\t10\t5\t20\t20\tcat\n',
        'image_id,x,y,width,height,label\na,10,5,20,20,cat\n',
        'img,x_center,y_center,width,height,name\na.jpg,20,15,20,20,cat\n',
        '"image","xmin","xmax","ymin","ymax","class"\n"a.jpg","10","30","5","25","cat"\n\n\n',
        r'C:\data\images\A.JPG,10,5,30,25,cat',
        '/elsewhere/images/a.jpg,10,5,30,25,cat\n',
        './a.jpg|10|5|30|25| cat \n',
        'image,xmin,ymin,w,h,class,more\na.jpg,10,5,20,20,cat,"x, y"\n',
    ],
)
def test_what_tables_look_like(read, content):
    assert read(content) == BOX


@pytest.mark.parametrize('other', ['0,250', '1234,567', '12,5', '1,0305', ',5'])
def test_a_comma_is_a_decimal_one_if_another_cell_shows_it(read, other):
    content = f'image;x1;y1;x2;y2;class;score\na.jpg;1,125;5;30;25;cat;{other}\n'
    assert read(content) == {'a.jpg': [('cat', 1.125, 5, 30, 25)]}
    with pytest.raises(UserInputError, match="'1,125' where a number"):
        read(content.replace(other, '12,500'))


def test_columns_by_name_and_by_number(read):
    content = 'A,B,C,D,E,F\n30,10,25,5,cat,a.jpg\n'
    names = dict(zip('x2 x1 y2 y1 class image'.split(), 'ABCDEF', strict=True))
    assert read(content, columns=names) == BOX
    numbers = dict(zip('x2 x1 y2 y1 class image'.split(), '123456', strict=True))
    assert read(content.split('\n')[1], columns=numbers, header=False) == BOX
    content = 'xmin,xmax,ymin,ymax,file,class,bw,bh\n10,0,5,0,a.jpg,cat,20,20\n'
    assert read(content, columns=dict(w='bw', h='bh')) == BOX


def test_kinds_of_boxes_without_header(read):
    assert read('a.jpg,10,5,20,20,cat', boxes='xywh') == BOX
    assert read('a.jpg,20,15,20,20,cat', boxes='cxcywh') == BOX


def test_pixels(read):
    """First and last pixel, counted from 0, and from 1; one that is both is a slip."""
    assert read('a.jpg,10,5,29,24,cat', pixels='inclusive') == BOX
    tally = Tally()
    content = 'a.jpg,11,6,30,25,cat\na.jpg,7,7,7,9,cat\n'
    assert read(content, tally, pixels='voc') == BOX
    assert tally.boxes['without extent'].number == 1


def test_parts_of_the_image(read):
    content = csv_text(relative=True)
    assert read(content, relative=True) == SET
    with pytest.raises(UserInputError, match='between 0 and 1: .*--relative'):
        read(content)
    with pytest.raises(UserInputError, match='line 2 of .*set.csv. has 30, .*--relative'):
        read(csv_text().replace('40', '3'), relative=True)


def test_encodings(read):
    content = csv_text()
    assert read(content.encode('utf-16')) == SET
    assert read(content.replace('\n', '\r\n').encode('utf-8-sig')) == SET
    assert read(content.encode('cp1252'), encoding='cp1252') == SET
    with pytest.raises(UserInputError, match='line 5 of .*set.csv. is not text in utf-8: .*cp1252'):
        read(content.encode('cp1252'))
    with pytest.raises(UserInputError, match="unknown encoding 'klingon'"):
        read(content, encoding='klingon')


def test_images_without_objects(read):
    content = 'a.jpg,10,5,30,25,cat\nempty.bmp,,,,,\nc d.jpeg\nb.PNG,nan,nan,nan,nan,\n'
    assert read(content) == BOX | {'empty.bmp': [], 'c d.jpeg': [], 'b.PNG': []}


def test_images_without_a_row(read):
    tally = Tally()
    content = 'a.jpg,10,5,30,25,cat\n'
    assert read(content, tally) == BOX
    assert any(
        'images in the folder without a row' in line and ': 3 (' in line for line in tally.lines()
    )
    assert read(content, keep_unlisted=True) == BOX | {n: [] for n in SIZES if n != 'a.jpg'}


def test_the_only_class_needs_no_column(read):
    assert read('image,x,y,w,h\na.jpg,10,5,20,20\n', class_name='cat') == BOX
    with pytest.raises(UserInputError, match='no column with the class: .*--classes NAME'):
        read('image,x,y,w,h\na.jpg,10,5,20,20\n')


def test_what_is_lost_is_counted(read):
    rows = [
        'a.jpg,10,5,30,25,cat',
        'a.jpg,10,5,10,25,cat',
        'a.jpg,30,5,10,25,cat',
        'a.jpg,60,5,70,25,cat',
        'a.jpg,50,30,70,45,dog',
        'gone.jpg,1,2,3,4,cat',
        'gone.jpg,2,2,3,4,cat',
        'gone too.jpg,,,,,',
    ]
    tally = Tally()
    found = read('\n'.join(rows), tally)
    assert found == {'a.jpg': [('cat', 10, 5, 30, 25), ('dog', 50, 30, 60, 40)]}
    assert {why: count.number for why, count in tally.boxes.items()} == {
        'without extent': 1,
        'whose second corner lies before the first': 1,
        'outside of the image': 1,
        'of an image that is not there': 2,
    }
    assert tally.images['not there'].number == 2
    assert 'line 2 of ' in tally.boxes['without extent'].where[0]
    assert "'gone.jpg' in line 6 of" in tally.images['not there'].where[0]
    assert 'boxes that reach over the border, cut there' in tally.notes


def test_size_that_is_not_the_image_is_noted(read):
    tally = Tally()
    content = 'filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,120,80,cat,10,5,30,25\n'
    assert read(content, tally) == BOX
    assert any("another size than the image's own" in line for line in tally.lines())


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'set.csv. is empty'),
        ('\n \n', 'set.csv. is empty'),
        ('image,x1,y1,x2,y2,class\n', 'header and no row'),
        ('a.jpg,10,5,30,cat\n', 'line 1 .* neither a header .*--columns image=NAME'),
        ('image,a,b,c,class\na.jpg,1,2,3,cat', 'no columns that make a box .*--columns x1=NAME'),
        ('x1,y1,x2,y2,class\n1,2,3,4,cat', 'no column with the image'),
        ('a.jpg,1,2,3,4,cat\na.jpg,1,2\n', 'line 2 .* has 3 columns, too few'),
        ('a.jpg,1,2,3,4,cat\na.jpg,1,x,3,4,cat\n', "line 2 .* has 'x' where a number"),
        ('a.jpg,1,2,3,4,cat\na.jpg,1,,3,4,cat\n', "line 2 .* has '' where a number"),
        ('a.jpg,1,2,3,4,cat\na.jpg,1,2,inf,4,cat\n', "'inf' where a number"),
        ('a.jpg,1,2,3,4,cat\na.jpg,1,2,1e12,4,cat\n', "'1e12', which is no coordinate"),
        ('a.jpg,1,2,3,4,cat\n,1,2,3,4,cat\n', 'line 2 .* names no image'),
        ('a.jpg,1,2,3,4,cat\na.jpg,1,2,3,4,\n', 'line 2 .* a box and no class'),
        ('a.jpg,1,2,3,4,cat\na.jpg,1,2,3,4,NaN\n', "line 2 .* a box and no class but 'NaN': com"),
        ('a.jpg\t1,030\t2\t3\t4\tcat\n', "line 1 .* '1,030' .* nothing between thousands"),
        ('a.jpg,"1,5",2,3,4,cat\n', "line 1 .* '1,5' .* write a decimal point"),
        ('a.jpg,1,2,3,4,cat\na.jpg,,,,,cat\n', "line 2 .* the class 'cat' and no box"),
        ('a.jpg,1,2,3,4,cat\n"a.jpg,1,2,3,4,cat\n', 'line . .* look for a quote'),
        ('a.jpg,1,2,3,4,cat\n\0', 'line 2 .* null characters'),
        ('gone.jpg,1,2,3,4,cat\n', "no box to train on .*'gone.jpg' in line 1"),
    ],
)
def test_malformed_tables_are_named(read, content, message):
    with pytest.raises(UserInputError, match=message):
        read(content)


def test_options_that_do_not_fit_are_named(read):
    with pytest.raises(UserInputError, match='--pixels voc is about corners'):
        read('image,x,y,w,h,class\na.jpg,10,5,20,20,cat\n', pixels='voc')
    with pytest.raises(UserInputError, match='parts of the image: leave it out'):
        read('a.jpg,0.1,0.2,0.3,0.4,cat', pixels='voc', relative=True)
    with pytest.raises(UserInputError, match="no column 'left' for x1; it has 'image', 'x1'"):
        read('image,x1,y1,x2,y2,class\na.jpg,1,2,3,4,cat', columns=dict(x1='left'))
    with pytest.raises(UserInputError, match="--columns has no 'xx'"):
        read('a.jpg,1,2,3,4,cat', columns=dict(xx='1'))
    with pytest.raises(UserInputError, match="delimiter ';;'"):
        read('a.jpg,1,2,3,4,cat', delimiter=';;')


def test_a_split_for_every_table(images, tmp_path):
    for name in ('train', 'val'):
        (tmp_path / f'{name}.csv').write_text('a.jpg,10,5,30,25,cat\n')
    paths = [tmp_path / 'train.csv', tmp_path / 'val.csv']
    boxes = read_csv(paths, ImageFolder(images), Tally())
    assert list(boxes.splits) == ['train', 'val']
    with pytest.raises(UserInputError, match="two files are called 'train'"):
        read_csv([paths[0]] * 2, ImageFolder(images), Tally())
    with pytest.raises(UserInputError, match='one file at a time'):
        read_csv(paths, ImageFolder(images), Tally(), CsvOptions(keep_unlisted=True))
    with pytest.raises(UserInputError, match="no.csv' does not exist"):
        read_csv([tmp_path / 'no.csv'], ImageFolder(images), Tally())
