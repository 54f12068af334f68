"""The computer that a privileged test stands on."""

from collections.abc import Iterator

import pytest

from tests.helper.computer import LinkWatch, own_network


@pytest.fixture
def links() -> Iterator[LinkWatch]:
    """A computer without adapters, and the watch over those that will come and go."""
    with own_network():
        watch = LinkWatch()
        try:
            yield watch
        finally:
            watch.wait_until_gone()
            watch.close()
