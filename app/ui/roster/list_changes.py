"""How one list becomes another in few steps, as a model must tell its views. Pure; used by model.py.

Applied in order, the steps turn `old` into `new`: what is gone is removed, what stays but at another place is moved
(as few as possible), what is new is inserted.
"""

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple


class Removed(NamedTuple):
    """The items `first` to `last`, both included, are gone."""

    first: int
    last: int


class Moved(NamedTuple):
    """The item at `source` is taken out and put in again so that it is at `target`."""

    source: int
    target: int


class Inserted(NamedTuple):
    """The items `first` to `last` of the new list, both included, come in at their places."""

    first: int
    last: int


Step = Removed | Moved | Inserted


def list_changes(old: Sequence[Hashable], new: Sequence[Hashable]) -> Iterator[Step]:
    """The steps from `old` to `new`; each list holds an item once."""
    if old == new:
        return
    before, wanted = set(old), set(new)
    for first, last in reversed(_runs([place for place, item in enumerate(old) if item not in wanted])):
        yield Removed(first, last)
    yield from _moves([item for item in old if item in wanted], [item for item in new if item in before])
    for first, last in _runs([place for place, item in enumerate(new) if item not in before]):
        yield Inserted(first, last)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours together: [1, 2, 3, 7] is [(1, 3), (7, 7)]."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _moves(present: list[Hashable], wanted: list[Hashable]) -> Iterator[Moved]:
    """Puts each item that can't stay behind the one that it shall follow."""
    if present == wanted:
        return
    places = {item: place for place, item in enumerate(present)}
    staying = _longest_rise([places[item] for item in wanted])
    for number, item in enumerate(wanted):
        if places[item] in staying:
            continue
        source = present.index(item)
        present.pop(source)
        target = present.index(wanted[number - 1]) + 1 if number else 0
        present.insert(target, item)
        if source != target:
            yield Moved(source, target)


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """The longest rising subsequence (patience sorting): the items that need not move."""
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for number in numbers:
        place = bisect_left(ends, number)
        before[number] = ends[place - 1] if place else None
        ends[place : place + 1] = [number]
    rise: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        rise.add(last)
        last = before[last]
    return rise
