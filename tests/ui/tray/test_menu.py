"""What the tray's menu holds, and what its entries do to a real engine."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from app.engine.state import NetworkStatus
from app.ui.tray.menu import MOST_NETWORKS, MOST_PEERS, MenuPlan, TrayMenu, menu_plan
from tests.engine.world import World, meet
from tests.ui.samples import crowd, lively, switched_off
from tests.ui.world import Desk, tell, until


def texts(menu: QMenu) -> list[str]:
    return [action.text().replace("&&", "\0").replace("&", "").replace("\0", "&") for action in menu.actions()]


def entry(menu: QMenu, *path: str) -> QAction:
    """The entry under these words."""
    action = menu.actions()[texts(menu).index(path[0])]
    submenu = action.menu()
    return entry(submenu, *path[1:]) if len(path) > 1 and isinstance(submenu, QMenu) else action


def test_the_plan_holds_networks_and_who_can_be_reached() -> None:
    plan = menu_plan(lively(), True)
    assert [each.name for each in plan.networks] == ["Family", "Friday Minecraft", "LAN party 2026", "Workshop"]
    assert [each.online for each in plan.networks] == [True, True, False, True]
    assert [each.name for each in plan.peers] == ["Ben", "Grandma Rosa", "Lena", "printer-room"]


def test_counters_and_latencies_change_no_plan() -> None:
    state = lively()
    busy = tuple(replace(each, latency=0.2, sent_bytes=each.sent_bytes + 1, unread=9) for each in state.peers)
    assert menu_plan(state, True) == menu_plan(replace(state, peers=busy), True)


def test_a_crowd_does_not_fill_the_screen() -> None:
    plan = menu_plan(crowd(500, 30), True)
    assert (len(plan.peers), plan.more_peers) == (MOST_PEERS, 500 - MOST_PEERS)
    assert (len(plan.networks), plan.more_networks) == (MOST_NETWORKS, 30 - MOST_NETWORKS)


def test_a_hostile_name_stays_a_name(qtbot: QtBot, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    menu = TrayMenu(desk.actions)
    qtbot.addWidget(menu)
    state = lively()
    ben = replace(state.peers[0], nickname="&Quit\n\u202etiuQ&" + "x" * 99)
    menu.show_plan(menu_plan(replace(state, peers=(ben,)), True))
    shown = texts(menu)[-3]
    assert shown.startswith("&Quit\ufffd\ufffdtiuQ&xxx")
    assert len(shown) <= 40


def test_without_an_engine_there_is_still_a_way_out(qtbot: QtBot, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    menu = TrayMenu(desk.actions)
    qtbot.addWidget(menu)
    assert [each for each in texts(menu) if each] == [
        "Open Buri",
        "Switch on",
        "Join network…",
        "Create network…",
        "Quit",
    ]
    with qtbot.waitSignal(desk.actions.window_wanted):
        entry(menu, "Open Buri").trigger()
    with qtbot.waitSignal(desk.actions.quit_wanted):
        entry(menu, "Quit").trigger()


def test_the_menu_is_made_anew_only_if_it_changed(qtbot: QtBot, tmp_path: Path) -> None:
    menu = TrayMenu(Desk(tmp_path).actions)
    qtbot.addWidget(menu)
    menu.show_plan(menu_plan(lively(), True))
    before = menu.actions()
    menu.show_plan(menu_plan(lively(), True))
    assert menu.actions() == before
    menu.show_plan(menu_plan(switched_off(), True))
    assert "Family" not in texts(menu)
    assert menu.plan == MenuPlan(usable=True)


def test_an_open_menu_stays_as_it_is_until_it_is_closed(qtbot: QtBot, tmp_path: Path) -> None:
    menu = TrayMenu(Desk(tmp_path).actions)
    qtbot.addWidget(menu)
    menu.show_plan(menu_plan(lively(), True))
    menu.show()
    menu.show_plan(menu_plan(switched_off(), True))
    assert "Family" in texts(menu)
    menu.hide()
    qtbot.waitUntil(lambda: "Family" not in texts(menu))


def test_entries_do_what_they_say(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, _, _ = await meet(world)
        desk = Desk(tmp_path, anna)
        menu = TrayMenu(desk.actions)
        qtbot.addWidget(menu)

        def show() -> None:
            menu.show_plan(menu_plan(desk.bridge.state, desk.bridge.has_engine))

        desk.bridge.state_changed.connect(lambda _state: show())
        await until(lambda: "ben" in texts(menu))
        name = desk.bridge.state.networks[0].name
        entry(menu, name, "Go offline").trigger()
        await until(lambda: desk.bridge.state.networks[0].status is NetworkStatus.OFFLINE)
        await until(lambda: f"{name} (offline)" in texts(menu))
        entry(menu, f"{name} (offline)", "Go online").trigger()
        await until(lambda: desk.bridge.state.networks[0].status is NetworkStatus.ONLINE)
        entry(menu, "Switch off").trigger()
        await until(lambda: not desk.bridge.state.power)
        await until(lambda: "Switch on" in texts(menu))
        await desk.close()

    tell(qapp, tmp_path, story)
