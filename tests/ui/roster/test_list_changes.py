"""How one list becomes another."""

from hypothesis import given
from hypothesis import strategies as st

from app.ui.roster.list_changes import Inserted, Moved, Removed, list_changes

LISTS = st.lists(st.integers(0, 30), unique=True)


def test_somebody_who_goes_to_the_end_is_one_move() -> None:
    assert list(list_changes("abcdef", "acdefb")) == [Moved(1, 5)]


def test_somebody_who_comes_to_the_front_is_one_move() -> None:
    assert list(list_changes("abcdef", "eabcdf")) == [Moved(4, 0)]


def test_neighbours_come_and_go_together() -> None:
    assert list(list_changes("abcd", "axyd")) == [Removed(1, 2), Inserted(1, 2)]


@given(LISTS, LISTS)
def test_the_steps_lead_from_any_list_to_any_other(old: list[int], new: list[int]) -> None:
    present = list(old)
    for step in list_changes(old, new):
        match step:
            case Removed(first, last):
                del present[first : last + 1]
            case Moved(source, target):
                present.insert(target, present.pop(source))
            case Inserted(first, last):
                present[first:first] = new[first : last + 1]
    assert present == new


@given(st.permutations(range(20)))
def test_nothing_moves_that_may_stay(order: list[int]) -> None:
    moved = sum(isinstance(step, Moved) for step in list_changes(range(20), order))
    assert moved <= 19
    assert (moved == 0) == (order == list(range(20)))
