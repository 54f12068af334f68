"""What is said to a proxy that wants credentials; the examples are those of RFC 7616 and RFC 7617."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transport import credentials
from app.transport.credentials import Challenge, Credentials, parse_challenges

TARGET = "server.example:443"
DIGEST = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def asked(*values: str) -> Credentials:
    known = Credentials("Mufasa", "Circle of Life")
    assert known.answer(parse_challenges(values))
    return known


def fields(header: str | None) -> dict[str, str]:
    assert header is not None
    (challenge,) = parse_challenges([header])
    return challenge.parameters


def test_basic_is_name_and_password_in_base64() -> None:
    known = Credentials("Aladdin", "open sesame")
    assert known.header(TARGET) is None, "nothing is said unasked"
    assert known.answer(parse_challenges(['Basic realm="WallyWorld"']))
    assert known.header(TARGET) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_is_what_the_standard_computes(monkeypatch: pytest.MonkeyPatch, algorithm: str, expected: str) -> None:
    """RFC 7616 section 3.9.1, whose example is a GET: the method is the only thing changed."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    monkeypatch.setattr(credentials, "METHOD", "GET")
    said = fields(asked(DIGEST.format(algorithm=algorithm)).header("/dir/index.html"))
    assert (said["response"], said["nc"], said["qop"]) == (expected, "00000001", "auth")
    assert said["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def test_each_use_of_a_nonce_is_counted_and_the_proxy_may_hand_out_the_next() -> None:
    known = asked(DIGEST.format(algorithm="SHA-256"))
    assert [fields(known.header(TARGET))["nc"] for _ in range(2)] == ["00000001", "00000002"]
    known.next_nonce("fresh")
    said = fields(known.header(TARGET))
    assert (said["nonce"], said["nc"]) == ("fresh", "00000001")


def test_old_proxies_without_quality_of_protection_get_the_old_form() -> None:
    said = fields(asked('Digest realm="r", nonce="n"').header(TARGET))
    assert said.keys() == {"username", "realm", "nonce", "uri", "response"}


def test_the_session_form_depends_on_our_nonce() -> None:
    known = asked('Digest realm="r", nonce="n", algorithm=MD5-sess, qop=auth')
    first, second = fields(known.header(TARGET)), fields(known.header(TARGET))
    assert first["algorithm"] == "MD5-sess"
    assert first["response"] != second["response"]


def test_the_strongest_of_what_is_offered_is_taken() -> None:
    sha = DIGEST.format(algorithm="SHA-256")
    offers = ['Basic realm="b"', DIGEST.format(algorithm="MD5"), "Negotiate", sha, "NTLM TlRMTVNTUAAC=="]
    header = asked(*offers).header(TARGET)
    assert fields(header)["algorithm"] == "SHA-256"
    assert (asked("Negotiate", 'Basic realm="b"').header(TARGET) or "").startswith("Basic ")


def test_refused_credentials_are_not_shown_again_but_a_stale_nonce_is_no_refusal() -> None:
    known = asked('Digest realm="r", nonce="1", qop="auth"')
    assert known.answer(parse_challenges(['Digest realm="r", nonce="2", qop="auth", stale=TRUE']))
    assert not known.answer(parse_challenges(['Digest realm="r", nonce="3", qop="auth"']))
    assert not asked('Basic realm="r"').answer(parse_challenges(['Basic realm="r"']))


@pytest.mark.parametrize(
    "unknown",
    [
        "Negotiate",
        "NTLM",
        'Bearer realm="r"',
        'Digest realm="r"',
        'Digest realm="r", nonce="n", algorithm=SHA-512-256',
        'Digest realm="r", nonce="n", qop="auth-int"',
        "",
    ],
)
def test_what_is_not_known_here_is_not_answered(unknown: str) -> None:
    known = Credentials("anna", "secret")
    assert not known.answer(parse_challenges([unknown]))
    assert known.header(TARGET) is None


def test_challenges_are_told_apart_in_one_field_and_in_several() -> None:
    one = 'Digest realm="a, b=\\"c\\"", nonce = n ,qop="auth" , Basic realm="x", Negotiate, NTLM abc=='
    assert parse_challenges([one]) == [
        Challenge("digest", {"realm": 'a, b="c"', "nonce": "n", "qop": "auth"}),
        Challenge("basic", {"realm": "x"}),
        Challenge("negotiate"),
        Challenge("ntlm"),
    ]


@given(st.lists(st.text(max_size=60), max_size=4), st.text(max_size=20), st.text(max_size=20))
def test_no_challenge_breaks_anything_and_no_answer_breaks_its_line(
    values: list[str], user: str, password: str
) -> None:
    known = Credentials(user, password)
    if known.answer(parse_challenges(values)):
        header = known.header(TARGET)
        assert header is not None
        assert header.startswith(("Basic ", "Digest "))


PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=40)


@given(PRINTABLE, PRINTABLE)
def test_whatever_realm_and_nonce_hold_comes_back_as_it_was(realm: str, nonce: str) -> None:
    known = Credentials("anna", "secret")
    assert known.answer([Challenge("digest", {"realm": realm, "nonce": nonce})])
    said = fields(known.header(TARGET))
    assert (said["realm"], said["nonce"]) == (realm, nonce)
