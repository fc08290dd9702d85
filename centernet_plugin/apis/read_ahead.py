"""Reading in a thread what will be wanted next."""

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar('T')
END = object()


def read_ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """The items in their order, up to ``depth`` of them made in a thread before they are wanted.

    What fails in the thread is raised here, in its place. Closing the iterator ends the thread,
    after the item that it is at.
    """
    queue: Queue = Queue(depth)
    stop = Event()

    def put(item: object, error: BaseException | None = None) -> bool:
        while not stop.is_set():
            try:
                queue.put((item, error), timeout=0.1)
                return True
            except Full:
                pass
        return False

    def work() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not put(item):
                    break
            put(END)
        except BaseException as error:  # raised again where the items are used
            put(END, error)
        finally:
            if hasattr(iterator, 'close'):
                iterator.close()  # what it has opened, in the thread that has used it

    thread = Thread(target=work, name='read ahead', daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        stop.set()
        thread.join(timeout=2)  # longer if a server or a camera does not answer
