"""The preferences' page about servers, the one in use and the one on this computer, and about the way to them."""

from collections.abc import Sequence

from PySide6.QtWidgets import QComboBox, QPushButton

from app.engine.errors import problem_of
from app.engine.state import EngineState, MappingStatus, Problem
from app.protocol.invite import Invite
from app.ui.dialogs.server_choice import MAX_SERVER
from app.ui.hosted_server import LOCAL_HOST, HostStatus
from app.ui.look.widgets import CopyField, Note, align_labels, text_indent, text_label, under_choice
from app.ui.preference_pages.page import PreferencePage, switch
from app.ui.preference_pages.proxy import ProxySection
from app.ui.verbs import Verbs
from app.ui.words.network_check import open_port
from app.ui.words.translations import _, said, translated


class ConnectionPage(PreferencePage):
    """Change the server, and how it is reached; host one."""

    def __init__(self, verbs: Verbs) -> None:
        super().__init__(verbs, _("Connection"))
        self._port = 0
        self._use()
        self._pass_firewalls()
        self._host()
        self.end()
        align_labels(self)
        verbs.hosted.changed.connect(self._show_hosted)
        verbs.session.trouble_changed.connect(self._show_server)
        verbs.bridge.state_changed.connect(self._show_state)
        self._show_server()
        self._show_hosted()
        verbs.bridge.run(self, verbs.hosted.exists, self._know_whether_hosted)
        verbs.bridge.run(self, verbs.session.own_addresses, self._offer_addresses)

    def _use(self) -> None:
        self.server, self.fingerprint = text_label(selectable=True), CopyField("", _("Fingerprint of the server"))
        form = self.add_form()
        form.addRow(_("Server"), self.server)
        form.addRow(_("Fingerprint"), self.fingerprint)
        self.route = text_label()
        form.addRow(_("Reached by"), self.route)
        self.change_button = QPushButton(_("Chan&ge server…"))
        self.change_button.clicked.connect(lambda: self.verbs.change_server(""))
        self.add_row(self.change_button)

    def _pass_firewalls(self) -> None:
        self.add_section(_("Proxy"))
        self.proxy = ProxySection(self.verbs)
        self.add(self.proxy)
        self.add_section(_("Router"))
        self.mapping, self.open_port = switch(_("Ask the &router to open a port"), on=True), text_label(muted=True)
        meaning = _("By PCP, NAT-PMP or UPnP, while Buri runs. More people then reach this computer directly.")
        self.open_port.setContentsMargins(text_indent(self.mapping), 0, 0, 0)
        self.add(self.mapping, under_choice(self.mapping, meaning), self.open_port)
        self.check_button = QPushButton(_("Chec&k the network…"))
        self.check_button.clicked.connect(self.verbs.check_network)
        self.add_row(self.check_button)
        self.mapping.toggled.connect(self._set_mapping)

    def _host(self) -> None:
        self.add_section(_("Server on this computer"))
        self.hosting = switch(_("&Host a server here while Buri runs"), self.verbs.preferences.choices.host_server)
        self.hosting.toggled.connect(self._switch)
        self.hosted = Note()
        self.make_button = QPushButton(_("&Set one up…"))
        self.make_button.clicked.connect(self.verbs.host_server)
        self.hosting.setEnabled(False)  # until it is known whether there is one
        self.make_button.hide()
        self.add(self.hosting, self.hosted)
        self.add_row(self.make_button)
        self.public_host = QComboBox(editable=True)
        self.public_host.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.public_host.setAccessibleName(_("Name or address for others"))
        line = self.public_host.lineEdit()
        assert line is not None
        line.setMaxLength(MAX_SERVER)
        self.use_button = QPushButton(_("&Name it in invite links"))
        self.use_button.clicked.connect(self._name_public_host)
        form = self.add_form()
        form.addRow(_("Others reach it &at"), self.public_host)
        self.add_row(self.use_button)

    # --- the server in use

    def _show_server(self) -> None:
        settings = self.verbs.session.settings
        server = settings.server if settings is not None else None
        self.server.setText(str(server) if server is not None else _("none yet"))
        self.fingerprint.set_text(server.fingerprint if server is not None else "")
        self.mapping.setEnabled(self.verbs.bridge.has_engine)
        self.mapping.blockSignals(True)
        self.mapping.setChecked(settings is None or settings.port_mapping)
        self.mapping.blockSignals(False)
        self._show_state(self.verbs.bridge.state)
        ours = server is not None and server.host == LOCAL_HOST
        for part in (self.public_host, self.use_button):
            part.setEnabled(ours and not self.verbs.session.starting)
        if server is not None and ours and not self.public_host.currentText():
            self.public_host.setEditText(server.host_for_others)

    # --- the router

    def _set_mapping(self, on: bool) -> None:
        self.problem.hide()
        self.verbs.bridge.call(self, lambda engine: engine.set_port_mapping(on), None, self._mapping_refused)

    def _mapping_refused(self, problem: Problem) -> None:
        self._show_server()
        self.tell(problem)

    def _show_state(self, state: EngineState) -> None:
        known = self.verbs.bridge.has_engine and state.port_mapping.status is not MappingStatus.OFF
        opened = open_port(state.port_mapping) if known else ""
        self.open_port.setVisible(bool(opened))
        for label, text in ((self.open_port, opened), (self.route, said(state.server.route) or "—")):
            if text != label.text():
                label.setText(text)

    # --- how others reach a server here

    def _offer_addresses(self, addresses: Sequence[str]) -> None:
        present = self.public_host.currentText()
        self.public_host.addItems(list(addresses))
        self.public_host.setEditText(present)

    def _name_public_host(self) -> None:
        self.problem.hide()
        host = self.public_host.currentText().strip()
        self.verbs.bridge.run(self, lambda: self.verbs.session.set_public_host(host), None, self.tell)

    # --- the hosted server

    def _know_whether_hosted(self, exists: bool) -> None:
        self.hosting.setEnabled(exists)
        self.make_button.setVisible(not exists)
        if exists:
            self.verbs.bridge.run(self, lambda: self.verbs.hosted.invite(LOCAL_HOST), self._know_port, self.tell)
        else:
            self.hosted.tell(_("There is none yet. Setting one up moves this computer to it."))

    def _know_port(self, invite: Invite) -> None:
        self._port = invite.port
        self._show_hosted()

    def _switch(self, on: bool) -> None:
        self.choose(host_server=on)
        hosted = self.verbs.hosted
        self.verbs.bridge.run(self, hosted.start if on else hosted.stop, None, self.tell)

    def _show_hosted(self) -> None:
        hosted = self.verbs.hosted
        words = {
            HostStatus.OFF: _("It does not run. Friends who are connected stay so, but nobody finds the others anew."),
            HostStatus.STARTING: _("It is starting…"),
            HostStatus.RUNNING: _(
                "It runs. For friends outside your home network the router must forward TCP port {port} and UDP ports "
                "{port} and {next} to this computer."
            ).format(port=self._port, next=self._port + 1),
            HostStatus.FAILED: _("It does not run: {reason}").format(
                reason=translated(problem_of(hosted.problem)).message if hosted.problem is not None else ""
            ),
        }
        self.hosted.tell(words[hosted.status], "attention" if hosted.status is HostStatus.FAILED else "info")
