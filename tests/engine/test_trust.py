"""What people decide about each other, and what they can't."""

from pathlib import Path

from app.engine.state import PeerStatus
from app.protocol.wire import Address
from tests.engine.world import World, meet, refusal, tell

NOBODY = Address(0x0A4D0001)


def test_both_people_read_the_same_safety_number(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        ours, theirs = await anna.engine.verification(ben.address), await ben.engine.verification(anna.address)
        assert ours.safety_number == theirs.safety_number
        assert (ours.fingerprint, ours.own_fingerprint) == (theirs.own_fingerprint, theirs.fingerprint)
        assert not ours.verified
        await anna.engine.mark_verified(ben.address)
        assert anna.peer(ben).verified
        await anna.engine.mark_verified(ben.address, False)
        assert not anna.peer(ben).verified
        await anna.engine.accept_new_key(ben.address, anna.peer(ben).fingerprint)
        wrong = "SHA256:" + "A" * 43
        assert await refusal(anna.engine.accept_new_key(ben.address, wrong)) == "peer-key-another"
        assert anna.sees(ben, PeerStatus.DIRECT)

    tell(tmp_path, story)


def test_of_somebody_unknown_nothing_can_be_decided(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        engine = anna.engine
        assert await refusal(engine.verification(NOBODY)) == "peer-key-unknown"
        assert await refusal(engine.mark_verified(NOBODY)) == "peer-key-unknown"
        assert await refusal(engine.accept_new_key(NOBODY, "SHA256:x")) == "peer-not-found"
        assert await refusal(engine.set_blocked(NOBODY)) == "peer-not-found"
        assert await refusal(engine.set_alias(NOBODY, "x")) == "peer-not-found"
        assert await refusal(engine.send_chat(NOBODY, "x")) == "peer-not-found"
        assert await refusal(anext(engine.ping(NOBODY))) == "peer-not-found"

    tell(tmp_path, story)


def test_a_blocked_person_learns_nothing_and_an_alias_is_a_name(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        assert await refusal(anna.engine.set_alias(ben.address, "\x07")) == "refused-bad-name"
        await anna.engine.set_alias(ben.address, "brother")
        assert anna.peer(ben).alias == "brother"
        await anna.engine.set_alias(ben.address, "")
        await anna.engine.set_blocked(ben.address)
        await ben.until(lambda: not ben.sees(anna, PeerStatus.DIRECT))
        await ben.until(lambda: ben.sees(anna, PeerStatus.FAILED))

    tell(tmp_path, story)
