"""Items made in a thread: all of them, in order, not too many at once, and no thread is left."""

import threading
import time

import pytest

from centernet_plugin.apis.read_ahead import read_ahead


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_order():
    assert list(read_ahead(range(100), 3)) == list(range(100))
    assert list(read_ahead([], 3)) == []


def test_reads_ahead_as_far_as_it_may():
    made = []
    items = read_ahead((made.append(i) or i for i in range(50)), 3)
    assert next(items) == 0
    wait_until(lambda: len(made) == 5)  # one in use, three waiting, one that has no place yet
    time.sleep(0.15)
    assert len(made) == 5
    items.close()


def test_errors_come_in_their_place():
    def work():
        yield 1
        raise ValueError('broken')

    items = read_ahead(work(), 3)
    assert next(items) == 1
    with pytest.raises(ValueError, match='broken'):
        next(items)


def test_closing_ends_the_thread_and_closes_what_it_reads():
    closed = []

    def work():
        try:
            yield from range(10**6)
        finally:
            closed.append(threading.current_thread().name)

    items = read_ahead(work(), 2)
    next(items)
    items.close()
    assert closed == ['read ahead']
    wait_until(lambda: all(thread.name != 'read ahead' for thread in threading.enumerate()))
