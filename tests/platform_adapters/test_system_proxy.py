"""What systems say of their proxy, in the words in which they really say it."""

import configparser
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.platform.system_proxy import (
    SystemProxy,
    parse_gsettings,
    parse_internet_settings,
    parse_kioslaverc,
    parse_scutil,
    read_system_proxy,
)

GNOME = """org.gnome.system.proxy autoconfig-url 'http://wpad.example/proxy.pac'
org.gnome.system.proxy ignore-hosts ['localhost', '127.0.0.0/8', '::1', '*.lan']
org.gnome.system.proxy mode '{mode}'
org.gnome.system.proxy use-same-proxy true
org.gnome.system.proxy.ftp host ''
org.gnome.system.proxy.ftp port 0
org.gnome.system.proxy.http authentication-password ''
org.gnome.system.proxy.http authentication-user ''
org.gnome.system.proxy.http enabled false
org.gnome.system.proxy.http host 'proxy.example'
org.gnome.system.proxy.http port 8080
org.gnome.system.proxy.http use-authentication false
org.gnome.system.proxy.https host '{https}'
org.gnome.system.proxy.https port 3128
org.gnome.system.proxy.socks host ''
org.gnome.system.proxy.socks port 0
"""
IGNORED = ("localhost", "127.0.0.0/8", "::1", "*.lan")
KDE = """[Proxy Settings]
NoProxyFor=localhost,.lan
Proxy Config Script=http://wpad.example/proxy.pac
ProxyType={kind}
httpProxy=http://plain.example 8080
httpsProxy=http://proxy.example 3128
"""
MACOS = """<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 169.254/16
  }
  HTTPEnable : 1
  HTTPPort : 8080
  HTTPProxy : plain.example
  HTTPSEnable : 1
  HTTPSPort : 3128
  HTTPSProxy : proxy.example
  ProxyAutoConfigEnable : 0
}
"""


def test_gnome() -> None:
    assert parse_gsettings(GNOME.format(mode="none", https="proxy.example")) == SystemProxy()
    assert parse_gsettings(GNOME.format(mode="manual", https="secure.example")) == SystemProxy(
        "secure.example:3128", IGNORED
    )
    assert parse_gsettings(GNOME.format(mode="manual", https="")) == SystemProxy("proxy.example:8080", IGNORED)
    assert parse_gsettings(GNOME.format(mode="auto", https="")) == SystemProxy(pac="http://wpad.example/proxy.pac")
    assert parse_gsettings("") == SystemProxy()


def test_kde() -> None:
    assert parse_kioslaverc(KDE.format(kind=0)) == SystemProxy()
    assert parse_kioslaverc(KDE.format(kind=1)) == SystemProxy("http://proxy.example:3128", ("localhost", ".lan"))
    assert parse_kioslaverc(KDE.format(kind=2)) == SystemProxy(pac="http://wpad.example/proxy.pac")
    assert parse_kioslaverc(KDE.format(kind=3)) == SystemProxy(), "asking the network for a script is not done"
    assert parse_kioslaverc("") == SystemProxy()


def test_macos() -> None:
    assert parse_scutil(MACOS) == SystemProxy("proxy.example:3128", ("*.local", "169.254/16"))
    assert parse_scutil("<dictionary> {\n  HTTPEnable : 0\n}\n") == SystemProxy()
    automatic = "<dictionary> {\n  ProxyAutoConfigEnable : 1\n  ProxyAutoConfigURLString : http://a/p.pac\n}\n"
    assert parse_scutil(automatic) == SystemProxy(pac="http://a/p.pac")


def test_windows() -> None:
    assert parse_internet_settings("proxy:8080", "<local>;*.lan", "", enabled=True) == SystemProxy(
        "proxy:8080", ("<local>", "*.lan")
    )
    by_kind = "http=plain:80;https=secure:443;socks=old:1080"
    assert parse_internet_settings(by_kind, "", "", enabled=True).address == "secure:443"
    assert parse_internet_settings("socks=old:1080", "", "", enabled=True).address == ""
    assert parse_internet_settings("proxy:8080", "", "", enabled=False) == SystemProxy()
    assert parse_internet_settings("", "", "http://a/p.pac", enabled=False).pac == "http://a/p.pac"


@given(st.text(max_size=200))
def test_no_answer_breaks_it(text: str) -> None:
    parse_scutil(text)
    parse_internet_settings(text, text, "", enabled=True)
    parse_gsettings(GNOME.format(mode="manual", https="").replace("['localhost', '127.0.0.0/8', '::1', '*.lan']", text))
    parse_gsettings(text)
    with suppress(configparser.Error):
        parse_kioslaverc(text)


def test_this_system_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "KDE")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    assert read_system_proxy() == SystemProxy()
