"""What a conversion left out, and what else a person should know of it."""

from dataclasses import dataclass, field

from ..inspection.finding import count_of

EXAMPLES = 3  # of every kind that are named


@dataclass
class Count:
    """How often something was, and where first."""

    number: int = 0
    where: list[str] = field(default_factory=list)
    more: bool = False

    def add(self, where: str, number: int) -> None:
        self.number += number
        if len(self.where) < EXAMPLES:
            self.where.append(where)
        else:
            self.more = True

    def places(self) -> str:
        """The first places, in brackets, and that there are more."""
        return f'({"; ".join(self.where)}{"; …" if self.more else ""})'


class Tally:
    """Counts boxes that are dropped, images that are left out, and oddities, by kind."""

    def __init__(self) -> None:
        self.boxes: dict[str, Count] = {}
        self.images: dict[str, Count] = {}
        self.notes: dict[str, Count] = {}

    def drop(self, why: str, where: str, number: int = 1) -> None:
        """``number`` boxes are left out: those ``why``, such as 'without extent'."""
        if number:
            self.boxes.setdefault(why, Count()).add(where, number)

    def leave_out(self, why: str, where: str) -> None:
        """An image is left out: one ``why``, such as 'not there'."""
        self.images.setdefault(why, Count()).add(where, 1)

    def note(self, what: str, where: str, number: int = 1) -> None:
        """Something that is odd, but converted."""
        self.notes.setdefault(what, Count()).add(where, number)

    def dropped(self) -> int:
        """Number of boxes that were dropped, of whatever kind."""
        return sum(count.number for count in self.boxes.values())

    def lines(self) -> list[str]:
        """All of it in sentences, losses first; no line if there is nothing to say."""
        lines = [
            f'dropped: {count_of(count.number, "box", "boxes")} {why} {count.places()}'
            for why, count in self.boxes.items()
        ]
        lines += [
            f'left out: {count_of(count.number, "image")} {why} {count.places()}'
            for why, count in self.images.items()
        ]
        lines += [
            f'note: {what}: {count.number:,} {count.places()}' for what, count in self.notes.items()
        ]
        return lines
