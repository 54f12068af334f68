"""UPnP's texts: what a real router says is understood, and what a hostile one says leads nowhere else."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import upnp
from app.protocol.upnp import Control, Place, UpnpError
from app.protocol.wire import RemoteProtocolError

ROUTER = "192.168.1.1"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n"
    b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
    b"EXT:\r\nSERVER: Debian UPnP/1.1 MiniUPnPd/2.3.1\r\nLOCATION: http://192.168.1.1:46577/rootDesc.xml\r\n\r\n"
)
DESCRIPTION = b"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<friendlyName>Home &amp; garden</friendlyName>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>
<controlURL>/ctl/L3F</controlURL></service></serviceList>
<deviceList><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>%s</controlURL>
</service></serviceList></device></deviceList></device></root>"""
PLACE = Place(46_577, "/xml/rootDesc.xml")


def described(url: str) -> Control:
    return upnp.control_of(DESCRIPTION % url.encode(), PLACE, ROUTER)


def test_the_description_of_a_real_router_is_found() -> None:
    assert upnp.description_place(ANSWER, ROUTER) == Place(46_577, "/rootDesc.xml")


@pytest.mark.parametrize(
    "url",
    ["http://203.0.113.9/rootDesc.xml", "https://192.168.1.1/", "file:///etc/passwd", "http://192.168.1.1:x/", ""],
)
def test_an_answer_that_sends_us_elsewhere_is_not_followed(url: str) -> None:
    with pytest.raises(RemoteProtocolError, match="place"):
        upnp.description_place(ANSWER.replace(b"http://192.168.1.1:46577/rootDesc.xml", url.encode()), ROUTER)


def test_other_devices_are_no_routers() -> None:
    with pytest.raises(RemoteProtocolError, match="not a router"):
        upnp.description_place(ANSWER.replace(b"InternetGatewayDevice", b"MediaRenderer"), ROUTER)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/ctl/IPConn", "/ctl/IPConn"),
        ("ctl?a=1", "/xml/ctl?a=1"),
        ("http://192.168.1.1:46577/ctl", "/ctl"),
    ],
)
def test_the_service_that_opens_ports_is_found(url: str, path: str) -> None:
    assert described(url) == Control(Place(46_577, path), "urn:schemas-upnp-org:service:WANIPConnection:1")


@pytest.mark.parametrize("url", ["http://203.0.113.9/ctl", "/a b", "/a\r\nX: y", "/" + 600 * "a"])
def test_a_service_elsewhere_or_with_a_broken_path_is_refused(url: str) -> None:
    with pytest.raises(RemoteProtocolError):
        described(url)


def test_documents_with_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><r><URLBase>&b;</URLBase></r>'
    with pytest.raises(RemoteProtocolError, match="document type"):
        upnp.control_of(bomb, PLACE, ROUTER)


def test_documents_that_are_too_deep_or_have_too_much_are_refused() -> None:
    deep = b"<a>" * 200 + b"</a>" * 200
    wide = b"<a>" + b"<b/>" * 5_000 + b"</a>"
    for document in (deep, wide):
        with pytest.raises(RemoteProtocolError, match="complex"):
            upnp.control_of(document, PLACE, ROUTER)


def test_a_call_is_a_soap_envelope_with_escaped_values() -> None:
    headers, body = upnp.call("AddPortMapping", upnp.SERVICES[1], NewProtocol="UDP", NewDescription="a<b&c")
    assert headers["SOAPAction"] == '"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"'
    assert b"<NewProtocol>UDP</NewProtocol><NewDescription>a&lt;b&amp;c</NewDescription></u:AddPortMapping>" in body
    request = upnp.request("POST", PLACE, ROUTER, headers, body)
    head, _, sent = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /xml/rootDesc.xml HTTP/1.1\r\nHost: 192.168.1.1:46577\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert sent == body


def test_the_outer_address_is_an_address() -> None:
    answer = b"<e><b><r><NewExternalIPAddress>%s</NewExternalIPAddress></r></b></e>"
    assert upnp.outer_address(answer % b"198.51.100.7") == "198.51.100.7"
    for told in (b"", b"home.example", b"::1"):
        with pytest.raises(RemoteProtocolError, match="no address"):
            upnp.outer_address(answer % told)


def test_an_answer_in_chunks_is_put_together() -> None:
    chunks = b"5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n"
    assert upnp.body_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks) == b"hello, world"


@pytest.mark.parametrize("chunks", [b"", b"zz\r\n", b"5\r\nhel", b"-1\r\n\r\n", b"fffffff\r\nx"])
def test_broken_chunks_are_refused(chunks: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="chunk"):
        upnp.body_of(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)


def test_an_error_is_told_by_its_code_and_words() -> None:
    fault = (
        b"<s:Envelope xmlns:s='x'><s:Body><s:Fault><detail><UPnPError><errorCode>718</errorCode>"
        b"<errorDescription>ConflictInMapping\x07Entry</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>"
    )
    with pytest.raises(UpnpError) as caught:
        upnp.body_of(b"HTTP/1.1 500 Internal Server Error\r\n\r\n" + fault.replace(b"\x07", b""))
    assert caught.value.code == 718
    assert str(caught.value) == "UPnP: ConflictInMappingEntry (718)"
    with pytest.raises(UpnpError, match="HTTP 404"):
        upnp.body_of(b"HTTP/1.1 404 Not Found\r\n\r\n<html>not well-formed")


def test_a_redirect_is_not_followed() -> None:
    with pytest.raises(UpnpError, match="HTTP 302"):
        upnp.body_of(b"HTTP/1.1 302 Found\r\nLocation: http://203.0.113.9/\r\n\r\n")


def test_searches_name_the_device() -> None:
    first, second = upnp.searches(ROUTER)
    assert first.startswith(b"M-SEARCH * HTTP/1.1\r\nHOST: 192.168.1.1:1900\r\n")
    assert b"InternetGatewayDevice:2" in second
    assert 1_024 < upnp.other_port(random.Random(1)) < 65_536


@given(st.binary(max_size=600))
def test_nothing_that_a_stranger_says_breaks_the_readers(told: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\n"
    for read in (
        lambda: upnp.description_place(told, ROUTER),
        lambda: upnp.description_place(ANSWER[:60] + told, ROUTER),
        lambda: upnp.control_of(told, PLACE, ROUTER),
        lambda: upnp.control_of(DESCRIPTION % told, PLACE, ROUTER),
        lambda: upnp.outer_address(told),
        lambda: upnp.body_of(told),
        lambda: upnp.body_of(head + told),
        lambda: upnp.body_of(head + b"Transfer-Encoding: chunked\r\n\r\n" + told),
    ):
        try:
            read()
        except (RemoteProtocolError, UpnpError):
            continue
