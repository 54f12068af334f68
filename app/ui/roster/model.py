"""The roster as Qt's model: takes snapshots and tells its views the smallest changes.

Two levels: networks, and members in them. Selection, scroll position and expansion live in the view and survive,
because rows are changed, moved, inserted and removed one by one and never all at once. Shown by view.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from app.engine.state import EngineState
from app.ui.roster.list_changes import Inserted, Moved, Removed, list_changes
from app.ui.roster.row_words import spoken_member, spoken_network, tooltip
from app.ui.roster.rows import Group, MemberRow, NetworkRow, Roster
from app.ui.words.translations import _

Index = QModelIndex | QPersistentModelIndex
Row = NetworkRow | MemberRow
Item = TypeVar("Item")
ROW: Final = Qt.ItemDataRole.UserRole + 1
"""The role that gives the row itself."""
_NOWHERE: Final = QModelIndex()


@dataclass(slots=True)
class _Shown:
    """A group as the views know it now."""

    group: Group
    """What it was made from."""
    network: NetworkRow
    members: list[MemberRow]


class RosterModel(QAbstractItemModel):
    """Networks and members of the newest snapshot. An index keeps its network's id, or 0 if it is a network."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._roster = Roster()
        self._state = EngineState()
        self._search = ""
        self._hide_offline = False
        self._shown: list[_Shown] = []
        self._places: dict[int, int] = {}
        """Where each network is."""

    # --- what goes in

    def update(self, state: EngineState) -> None:
        """Show this snapshot."""
        self._state = state
        self._arrange()

    def search(self, text: str) -> None:
        """Show only what is found; an empty text shows all."""
        self._search = text
        self._arrange()

    def hide_offline(self, hide: bool) -> None:
        """Leave out those who are offline, or show them again."""
        self._hide_offline = hide
        self._arrange()

    def _arrange(self) -> None:
        groups = self._roster.arrange(self._state, self._search, self._hide_offline)
        self._change(
            _NOWHERE,
            self._shown,
            [_Shown(group, group.network, list(group.members)) for group in groups],
            lambda shown: shown.network.id,
            self._find_places,
        )
        for place, group in enumerate(groups):
            self._change_group(place, group)

    def _change_group(self, place: int, group: Group) -> None:
        shown = self._shown[place]
        if shown.group is group:
            return
        index = self.index(place, 0)
        self._change(index, shown.members, group.members, lambda row: row.address, lambda: None)
        headline, shown.group, shown.network = shown.network, group, group.network
        if headline != group.network:
            self.dataChanged.emit(index, index)
        for number, (before, after) in enumerate(zip(shown.members, group.members, strict=True)):
            shown.members[number] = after
            if before != after:
                self.dataChanged.emit(self.index(number, 0, index), self.index(number, 0, index))

    def _change(
        self,
        parent: QModelIndex,
        present: list[Item],
        wanted: Sequence[Item],
        key: Callable[[Item], object],
        after_each: Callable[[], None],
    ) -> None:
        """Add, move and remove until the keys of `present` are those of `wanted`; what stays is not replaced."""
        for step in list_changes([key(each) for each in present], [key(each) for each in wanted]):
            match step:
                case Removed(first, last):
                    self.beginRemoveRows(parent, first, last)
                    del present[first : last + 1]
                    after_each()
                    self.endRemoveRows()
                case Moved(source, target):
                    self.beginMoveRows(parent, source, source, parent, target + (target > source))
                    present.insert(target, present.pop(source))
                    after_each()
                    self.endMoveRows()
                case Inserted(first, last):
                    self.beginInsertRows(parent, first, last)
                    present[first:first] = wanted[first : last + 1]
                    after_each()
                    self.endInsertRows()

    def _find_places(self) -> None:
        self._places = {shown.network.id: place for place, shown in enumerate(self._shown)}

    # --- what comes out

    @property
    def is_empty(self) -> bool:
        """Whether there is no row at all."""
        return not self._shown

    @property
    def waiting(self) -> int:
        """How many ask to be let in."""
        return self._roster.waiting

    def row(self, index: Index) -> Row | None:
        """What is at an index."""
        if not index.isValid():
            return None
        network = index.internalId()
        if not network:
            return self._shown[index.row()].network
        return self._shown[self._places[network]].members[index.row()]

    def network_of(self, row: Row) -> NetworkRow | None:
        """The network that a row belongs to, or is."""
        place = self._places.get(row.id if isinstance(row, NetworkRow) else row.network)
        return None if place is None else self._shown[place].network

    def index(self, row: int, column: int, parent: Index = _NOWHERE) -> QModelIndex:
        """Qt asks, for every row at each new layout: the index of a row."""
        if column:
            return QModelIndex()
        if not parent.isValid():
            return self.createIndex(row, 0, 0) if 0 <= row < len(self._shown) else QModelIndex()
        if parent.internalId():
            return QModelIndex()
        shown = self._shown[parent.row()]
        return self.createIndex(row, 0, shown.network.id) if 0 <= row < len(shown.members) else QModelIndex()

    def parent(self, index: Index = _NOWHERE) -> QModelIndex:  # type: ignore[override]
        """Qt asks: the network of a member."""
        network = index.internalId() if index.isValid() else 0
        return self.createIndex(self._places[network], 0, 0) if network else QModelIndex()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Qt asks: how many rows are in it."""
        if not parent.isValid():
            return len(self._shown)
        return 0 if parent.internalId() or parent.column() else len(self._shown[parent.row()].members)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """Qt asks: always one."""
        return 1

    def hasChildren(self, parent: Index = _NOWHERE) -> bool:
        """Qt asks: whether a network has members to show."""
        return not (parent.isValid() and parent.internalId()) and self.rowCount(parent) > 0

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Qt asks: members have no children."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return _MEMBER_FLAGS if index.internalId() else _NETWORK_FLAGS

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Qt asks: the row itself to paint, the name to type for, words for tooltips and screen readers."""
        row = self.row(index)
        if row is None:
            return None
        match role:
            case int(value) if value == ROW:
                return row
            case Qt.ItemDataRole.DisplayRole:
                return row.name
            case Qt.ItemDataRole.ToolTipRole:
                return tooltip(row, self._names())
            case Qt.ItemDataRole.AccessibleTextRole:
                return spoken_network(row) if isinstance(row, NetworkRow) else spoken_member(row)
            case _:
                return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Qt asks: for screen readers; the header is not shown."""
        wanted = role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole)
        return _("Networks and members") if wanted and section == 0 else None

    def _names(self) -> dict[int, str]:
        """The networks' names."""
        return {shown.network.id: shown.network.name for shown in self._shown}


_NETWORK_FLAGS: Final = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
_MEMBER_FLAGS: Final = _NETWORK_FLAGS | Qt.ItemFlag.ItemNeverHasChildren
