"""The pages of the welcome, by themselves."""

from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.protocol.names import checked_name
from app.protocol.wire import MAX_NAME
from app.ui.welcome.pages import HostPage, server_name
from tests.ui.pictures import LOOKS, dressed


def test_a_hosted_server_is_named_after_its_owner_and_not_as_its_owner() -> None:
    assert server_name("Hanna") == "Hanna's server"
    longest = server_name("W" * MAX_NAME)
    assert checked_name(longest) == longest
    assert longest.endswith("…'s server")


def test_all_fields_of_the_host_page_stand_in_one_column_and_are_of_one_height(
    qapp: QApplication, qtbot: QtBot
) -> None:
    with dressed(qapp, LOOKS[0]):
        page = HostPage("Anna", ["192.0.2.1"])
        qtbot.addWidget(page)
        page.show()
        fields = (page.host, page.port, page.nickname)
        qtbot.waitUntil(lambda: len({field.x() for field in fields}) == 1)
        assert page.port.height() == page.nickname.height()
