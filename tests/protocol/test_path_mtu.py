"""The largest packet that a path carries, found by a few probes."""

from hypothesis import given
from hypothesis import strategies as st

from app.protocol.path_mtu import SIZES, TRIES, MtuSearch
from app.protocol.tunnel_message import MAX_TUNNEL_MESSAGE, ProbeRequest, decode, padded_probe


def search(width: int, lost: list[bool]) -> tuple[MtuSearch, int]:
    """A whole search over a path of this width that loses some probes; with the number of probes."""
    finding, probes = MtuSearch(0.05, 0.0), 0
    while finding.due is not None:
        size = finding.next_size(finding.due)
        if size is None:
            break
        probes += 1
        if size <= width and not (lost and lost.pop()):
            finding.answered(size)
    return finding, probes


def test_a_wide_path_costs_one_probe() -> None:
    finding, probes = search(1_500, [])
    assert (finding.found, probes) == (SIZES[0], 1)


@given(st.integers(0, 1_500), st.lists(st.booleans(), max_size=TRIES - 1))
def test_the_largest_size_that_fits_is_found_though_some_probes_are_lost(width: int, lost: list[bool]) -> None:
    finding, probes = search(width, lost)
    assert finding.found == max((size for size in SIZES if size <= width), default=None)
    assert probes <= len(SIZES) * TRIES


def test_an_answer_that_comes_late_counts() -> None:
    finding = MtuSearch(0.05, 0.0)
    for now in range(TRIES + 1):
        finding.next_size(now)
    assert finding.answered(SIZES[1])
    assert finding.answered(SIZES[0])
    assert not finding.answered(SIZES[1])
    assert finding.found == SIZES[0]


@given(st.integers(1 << 63, (1 << 64) - 1), st.sampled_from(SIZES))
def test_a_probe_has_the_size_that_it_tries(token: int, size: int) -> None:
    probe = padded_probe(token, size)
    assert len(probe) == size <= MAX_TUNNEL_MESSAGE
    message = decode(probe)
    assert isinstance(message, ProbeRequest)
    assert message.token == token
