from centernet_plugin.apis import result_names


def test_names():
    assert result_names(['a.jpg', 'b.png']) == ['a', 'b']
    assert result_names(['a.jpg', 'a.png', 'b.png']) == ['a.jpg', 'a.png', 'b']
    assert result_names(['a.jpg', 'a.jpg', 'a_2.jpg', 'a.jpg']) == ['a', 'a_2', 'a_2_2', 'a_3']
    assert result_names(['s/a.jpg', 'a.jpg']) == ['s/a', 'a']
    assert result_names(['camera0', 'v1.2/a.b.jpg']) == ['camera0', 'v1.2/a.b']
