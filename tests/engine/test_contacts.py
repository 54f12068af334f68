"""Pinned keys change only by the person's word."""

import pytest

from app.engine.contacts import Contact, Contacts
from app.protocol.keys import IdentityKey
from app.protocol.wire import Address, RemoteProtocolError

BEN = Address(7)
FIRST, SECOND = IdentityKey.generate().public, IdentityKey.generate().public


def test_a_key_is_pinned_once_it_was_proved_and_remembered() -> None:
    remembered: list[bool] = []
    pinned: list[Address] = []
    contacts = Contacts({}, lambda: remembered.append(True), lambda peer, _: pinned.append(peer))
    contacts.introduce(BEN, FIRST.blob, [FIRST.fingerprint])
    assert (contacts.key(BEN), contacts.pinned(BEN), remembered) == (FIRST, None, [])
    contacts.pin(BEN)
    assert (contacts.pinned(BEN), remembered) == (FIRST, [True])
    contacts.pin(BEN)
    assert pinned == [BEN]
    assert Contacts(dict(contacts.all), lambda: None, lambda *_: None).pinned(BEN) == FIRST


def test_another_key_is_not_taken_for_the_pinned_one() -> None:
    contacts = Contacts({BEN: Contact(FIRST.blob, True)}, lambda: None, lambda *_: None)
    contacts.introduce(BEN, SECOND.blob, [SECOND.fingerprint])
    contacts.pin(BEN)
    assert contacts.key(BEN) == FIRST
    contacts.accept(BEN, SECOND)
    assert (contacts.key(BEN), contacts.get(BEN).verified) == (SECOND, False)


def test_a_key_that_is_not_the_rosters_is_refused() -> None:
    contacts = Contacts({}, lambda: None, lambda *_: None)
    with pytest.raises(RemoteProtocolError):
        contacts.introduce(BEN, FIRST.blob, [SECOND.fingerprint])
    with pytest.raises(RemoteProtocolError):
        contacts.introduce(BEN, bytes(407), [FIRST.fingerprint])
    assert contacts.key(BEN) is None


def test_verified_blocked_and_alias_are_kept_without_a_key() -> None:
    contacts = Contacts({}, lambda: None, lambda *_: None)
    contacts.set_blocked(BEN, True)
    contacts.set_alias(BEN, "brother")
    contacts.set_verified(BEN, True)
    assert contacts.get(BEN) == Contact(None, True, True, "brother")
    assert contacts.get(Address(9)) == Contact()
