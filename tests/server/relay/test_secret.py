"""The secret between relay and server: kept for its user alone, told as text, and never in an error."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.relay import SECRET_LENGTH
from app.server.relay.secret import SecretError, make_secret, parse_secret, read_secret, secret_text


def test_what_is_made_can_be_read_again_by_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "relay-secret.txt"
    secret = make_secret(file)
    assert len(secret) == SECRET_LENGTH
    assert read_secret(file) == secret
    assert parse_secret(secret_text(secret)) == secret
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "relay-secret.txt"
    make_secret(file)
    os.chmod(file, 0o640)
    with pytest.raises(SecretError, match="chmod 600"):
        read_secret(file)


def test_a_broken_file_is_named_and_its_text_is_not(tmp_path: Path) -> None:
    file = tmp_path / "relay-secret.txt"
    file.touch(mode=0o600)
    file.write_bytes(b"half of a secret\xff")
    with pytest.raises(SecretError, match=r"relay-secret\.txt") as error:
        read_secret(file)
    assert "half" not in str(error.value)
    with pytest.raises(FileNotFoundError):
        read_secret(tmp_path / "nothing")


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9+/]{40,46}={0,2}", fullmatch=True))
def test_any_text_is_a_secret_or_an_error(text: str) -> None:
    try:
        secret = parse_secret(text)
    except SecretError:
        return
    assert len(secret) == SECRET_LENGTH
