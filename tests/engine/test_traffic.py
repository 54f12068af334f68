"""The traffic of a peer is added up over adapters, and tells when there was some."""

import math

from app.engine.traffic import Traffic
from app.ipc.schema import PeerStatistics


def report(sent: int, received: int) -> PeerStatistics:
    return PeerStatistics(7, sent, sent, received, received, 0.0, 0.0, 0)


def test_what_went_over_an_adapter_that_is_gone_still_counts() -> None:
    traffic = Traffic()
    traffic.observe(report(100, 20), 1.0)
    traffic.adapter_gone()
    traffic.observe(report(0, 5), 2.0)
    assert (traffic.sent_bytes, traffic.received_bytes) == (100, 25)


def test_a_report_of_nothing_new_is_no_traffic() -> None:
    traffic = Traffic()
    assert traffic.carried_at == -math.inf
    traffic.observe(report(0, 0), 1.0)
    assert traffic.carried_at == -math.inf
    traffic.observe(report(10, 0), 2.0)
    traffic.observe(report(10, 0), 3.0)
    assert traffic.carried_at == 2.0


def test_a_late_report_makes_nothing_older() -> None:
    traffic = Traffic()
    traffic.heard(5.0)
    traffic.heard(4.0)
    assert traffic.last_received == 5.0
