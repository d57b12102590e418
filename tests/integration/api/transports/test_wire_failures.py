"""One table of what can go wrong on the wire: the same failure is the same error in both transports.

A flow decides by it whether a create may be repeated.
"""

import gzip
import json
import socket
import traceback
import tracemalloc
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from airflow_provider_wherobots.api.call import read_response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    Arrival,
    AuthenticationError,
    CaBundleError,
    ForeignResponseError,
    NotSentError,
    PlainHttpError,
    ProxySettingError,
    ResponseLostError,
    ResponseTooLargeError,
    UnreadableResponseError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs import calls
from tests.integration.api.transports.wire import (
    Handler,
    Send,
    Wire,
    answering,
    forever,
    full_listener,
    resetting,
    server_context,
    silent,
    speaking_tls,
    tunnelling,
)
from tests.support.certificates import make_certificate

KEY = "wire-key-51c2"
HOST = "api.wherobots.test"
"""A name that nobody resolves: behind a proxy nobody has to."""
CREATE = calls.create_run({"name": "wire-test"})
RUN = b'{"id": "r1", "status": "RUNNING"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LONG = 30.0
"""Seconds: what ends earlier ends for another reason."""
SHORT = 0.5
"""Where nothing but this limit ends a call."""
TO_CONNECT = 3.0
"""Where a call is ended after it has been sent."""


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = b"".join(line + b"\r\n" for line in (b"Content-Length: %d" % len(body), *headers))
    return b"HTTP/1.1 " + status + b"\r\n" + lines + b"\r\n" + body


ZEROS = gzip.compress(bytes(10**7))


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for HOST."""
    return make_certificate(tmp_path_factory.mktemp("trusted"), x509.DNSName(HOST))


def failure_of(send: Send, url: str, connect: float = LONG, read: float = LONG) -> WherobotsApiError:
    with pytest.raises(WherobotsApiError) as caught:
        read_response(CREATE, send(Endpoint(url, KEY), CREATE, connect, read))
    return caught.value


def limits_of(name: str) -> tuple[float, float]:
    return (TO_CONNECT, SHORT) if name in ENDLESS else (LONG, LONG)


ENDLESS = ("no answer", "silent", "a body that trickles")
"""Rows of the tables below that only the client ends."""
ANSWERS: list[tuple[str, Handler, type[WherobotsApiError]]] = [
    ("closed before the answer", answering(), ResponseLostError),
    ("reset before the answer", resetting(), ResponseLostError),
    ("no answer", silent, ResponseLostError),
    ("garbage for a status line", answering(b"220 mail.example.com ESMTP\r\n\r\n"), ResponseLostError),
    ("closed in the headers", answering(OK), WherobotsApiError),
    ("reset in the headers", resetting(OK), ResponseLostError),
    ("closed in the body", answering(OK + b"Content-Length: 100\r\n\r\n" + RUN), ResponseLostError),
    ("reset in the body", resetting(OK + b"Content-Length: 100\r\n\r\n" + RUN), ResponseLostError),
    ("closed in a chunk", answering(OK + b"Transfer-Encoding: chunked\r\n\r\n80\r\n" + RUN), ResponseLostError),
    ("closed between chunks", answering(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"), ResponseLostError),
    ("no size of a chunk", answering(OK + b"Transfer-Encoding: chunked\r\n\r\nsize\r\n{\r\n"), ResponseLostError),
    ("a length that is too small", answering(OK + b"Content-Length: 10\r\n\r\n" + RUN), WherobotsApiError),
    ("a body that trickles", forever(OK + b"\r\n", b" ", 0.1), ResponseLostError),
    ("headers that never end", forever(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 10_000), ResponseLostError),
    ("a body that never ends", forever(OK + b"\r\n", b" " * 100_000), ResponseTooLargeError),
    ("a body in gzip that never ends", forever(OK + b"Content-Encoding: gzip\r\n\r\n", ZEROS), ResponseTooLargeError),
    ("a gzip bomb", answering(whole(ZEROS, b"Content-Encoding: gzip")), ResponseTooLargeError),
    ("gzip that is none", answering(whole(RUN, b"Content-Encoding: gzip")), UnreadableResponseError),
    ("gzip that is cut", answering(whole(gzip.compress(RUN)[:-9], b"Content-Encoding: gzip")), UnreadableResponseError),
    ("an encoding not asked for", answering(whole(RUN, b"Content-Encoding: br")), UnreadableResponseError),
    ("no JSON", answering(whole(b"<html>")), UnreadableResponseError),
    (
        "a redirect to no UTF-8",
        answering(whole(b"", b"Location: /\xff\xfe", status=b"302 Found")),
        ForeignResponseError,
    ),
    ("an error that never ends", forever(b"HTTP/1.1 401 X\r\n\r\n", b"x" * 100_000), AuthenticationError),
    (
        "an error in gzip that is none",
        answering(whole(b"no", b"Content-Encoding: gzip", status=b"401 X")),
        AuthenticationError,
    ),
]


@pytest.mark.parametrize(("name", "handler", "kind"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_what_becomes_of_an_answer(send: Send, name: str, handler: Handler, kind: type[WherobotsApiError]) -> None:
    with Wire(handler) as wire:
        error = failure_of(send, wire.url, *limits_of(name))
    assert not wire.has_waited_in_vain
    # Where the libraries differ in the words, what a flow decides by is the same all the same.
    assert type(error) is kind or (kind is WherobotsApiError and error.transient)
    assert error.arrival is not Arrival.NOT_ARRIVED
    assert error.__cause__ is None
    assert error.__context__ is None
    assert wire.url in str(error) or kind is not ResponseLostError


def test_a_refused_connection_was_not_sent(send: Send) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert type(failure_of(send, f"http://127.0.0.1:{held.getsockname()[1]}")) is NotSentError


@pytest.mark.parametrize(
    "host", ["no-such-host.invalid", ".x.invalid", "*.x.invalid", "a..b.invalid", "a%zz.invalid", f"{'a' * 64}.invalid"]
)
def test_to_a_name_that_does_not_resolve_nothing_was_sent(send: Send, host: str) -> None:
    error = failure_of(send, f"https://{host}")
    assert type(error) is NotSentError
    assert error.__context__ is None
    assert host in str(error)


def test_a_name_that_does_not_resolve_may_be_wrong(send: Send) -> None:
    said = str(failure_of(send, "https://no-such-host.invalid"))
    assert "https://no-such-host.invalid: Failed to resolve 'no-such-host.invalid' (" in said
    assert said.endswith("); the name may be wrong")


@pytest.mark.parametrize("host", [".p.invalid", f"{'p' * 64}.invalid"])
def test_to_a_proxy_without_an_address_nothing_is_sent(send: Send, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://proxy-user:proxy-pass@{host}:3128")
    error = failure_of(send, f"https://{HOST}")
    assert type(error) is NotSentError
    assert "proxy-pass" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\xfe"])
def test_a_ca_bundle_that_cannot_be_used_is_permanent_and_names_the_variable(
    send: Send, variable: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(bundle))
    error = failure_of(send, f"https://{HOST}")
    assert type(error) is CaBundleError
    assert not error.transient
    assert error.arrival is Arrival.NOT_ARRIVED
    assert f"{variable}={str(bundle)!r}: must name a file in PEM format or a folder" in str(error)


def test_without_tls_a_ca_bundle_that_cannot_be_used_is_ignored(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    with Wire(answering(whole(RUN))) as wire:
        assert read_response(CREATE, send(Endpoint(wire.url, KEY), CREATE, LONG, LONG)).id == "r1"


def test_a_connection_that_nobody_takes_was_not_sent(send: Send) -> None:
    with full_listener() as port:
        assert type(failure_of(send, f"http://127.0.0.1:{port}", SHORT, SHORT)) is NotSentError


HANDSHAKES: list[tuple[str, Handler]] = [
    ("closed", answering()),
    ("reset", resetting()),
    ("silent", silent),
    ("garbage", forever(b"\x16\x03\x03", b"x" * 100)),
]


@pytest.mark.parametrize("handler", [row[1] for row in HANDSHAKES], ids=[row[0] for row in HANDSHAKES])
def test_without_a_tls_handshake_nothing_was_sent(send: Send, handler: Handler) -> None:
    """It is tried again until the limit."""
    with Wire(handler) as wire:
        assert type(failure_of(send, f"https://127.0.0.1:{wire.port}", SHORT, SHORT)) is NotSentError
    assert not wire.has_waited_in_vain


def complaining(connection: socket.socket) -> None:
    """What an HTTP server does with a TLS handshake."""
    connection.recv(65_536)
    connection.sendall(whole(b"", status=b"400 Bad Request"))


def test_tls_that_is_answered_in_plain_http_is_permanent_and_says_what_to_correct(send: Send) -> None:
    with Wire(complaining) as wire:
        url = f"https://127.0.0.1:{wire.port}"
        with pytest.raises(PlainHttpError) as caught:
            send(Endpoint(url, KEY, source="connection 'x'"), CREATE, LONG, LONG)
    error = caught.value
    assert not error.transient
    assert error.arrival is Arrival.NOT_ARRIVED
    assert str(error).startswith(f"Creating the run failed: {url} (connection 'x'): ")
    assert "correct the port, or put http:// before the host" in str(error)


def test_so_is_tls_to_a_proxy_that_speaks_plain_http(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    with Wire(complaining) as wire:
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{wire.port}")
        error = failure_of(send, f"https://{HOST}")
    assert type(error) is PlainHttpError
    assert f"through the proxy https://127.0.0.1:{wire.port}" in str(error)


def test_an_untrusted_certificate_is_permanent(send: Send, certificate: tuple[Path, Path]) -> None:
    with Wire(speaking_tls(server_context(certificate), answering(whole(RUN)))) as wire:
        error = failure_of(send, f"https://127.0.0.1:{wire.port}")
    assert type(error) is UntrustedServerError
    assert "certificate" in str(error)
    assert not error.transient


def test_a_wrong_certificate_is_fatal(send: Send, trusted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted[0]))
    with Wire(speaking_tls(server_context(trusted), answering(whole(RUN)))) as wire:
        assert type(failure_of(send, f"https://127.0.0.1:{wire.port}")) is UntrustedServerError


def test_an_expired_certificate_is_permanent(send: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expired = make_certificate(tmp_path, x509.IPAddress(ip_address("127.0.0.1")), days=-1)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(expired[0]))
    with Wire(speaking_tls(server_context(expired), answering(whole(RUN)))) as wire:
        error = failure_of(send, f"https://127.0.0.1:{wire.port}")
    assert type(error) is UntrustedServerError
    assert "expired" in str(error)
    assert not error.transient


PROXIES: list[tuple[str, Handler]] = [
    ("407", answering(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")),
    ("403", answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")),
    ("502", answering(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")),
    ("closed", answering()),
    ("reset", resetting()),
    ("silent", silent),
    ("garbage", answering(b"220 mail.example.com ESMTP\r\n\r\n")),
    ("closed after the tunnel was made", answering(b"HTTP/1.1 200 OK\r\n\r\n")),
]


@pytest.mark.parametrize(("name", "handler"), PROXIES, ids=[row[0] for row in PROXIES])
def test_a_proxy_without_a_tunnel_sends_nothing(
    send: Send, name: str, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Wire(handler) as wire:
        monkeypatch.setenv("HTTPS_PROXY", f"http://proxy-user:proxy-pass@127.0.0.1:{wire.port}")
        error = failure_of(send, f"https://{HOST}", *limits_of(name))
    assert not wire.has_waited_in_vain
    assert type(error) is NotSentError
    assert f"through the proxy http://127.0.0.1:{wire.port}: " in str(error)
    assert not name.isdecimal() or name in str(error)
    shown = f"{error!r} {''.join(traceback.format_exception(error))} {error.__cause__!r} {error.__context__!r}"
    for secret in ("proxy-user", "proxy-pass", KEY, "cHJveHktdXNlcjpwcm94eS1wYXNz"):
        assert secret not in shown


@pytest.mark.parametrize("address", ["http://proxy-user:proxy-pass@127.0.0.1:{}", "proxy-user:proxy-pass@127.0.0.1:{}"])
def test_a_dead_proxy_sends_nothing(send: Send, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", address.format(held.getsockname()[1]))
        error = failure_of(send, f"https://{HOST}")
    assert type(error) is NotSentError
    assert "proxy-" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "address",
    [
        "socks5h://proxy-user:proxy-pass@127.0.0.1:1",
        "ftp://proxy-pass@x:1",
        "http://proxy-pass@",
        "http://x:proxy-pass",
    ],
)
def test_a_proxy_that_cannot_be_used(send: Send, variable: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, address)
    error = failure_of(send, f"https://{HOST}")
    assert type(error) is ProxySettingError
    assert not error.transient
    assert f"{variable}: must name an HTTP proxy" in str(error)
    assert f"add {HOST} to NO_PROXY" in str(error)
    assert "proxy-pass" not in "".join(traceback.format_exception(error))
    assert address.startswith("socks") == ("SOCKS" in str(error))


def test_a_proxy_can_have_a_password(send: Send, trusted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    at_proxy: list[bytes] = []
    at_server: list[bytes] = []
    handler = answering(whole(RUN), requests=at_server)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted[0]))
    with Wire(tunnelling(server_context(trusted), handler, at_proxy)) as wire:
        monkeypatch.setenv("HTTPS_PROXY", f"http://us%C3%A9r:p%40ss@127.0.0.1:{wire.port}")
        response = send(Endpoint(f"https://{HOST}", KEY), replace(CREATE, command="nightly.hail"), LONG, LONG)
    assert read_response(CREATE, response).id == "r1"
    assert b";cmd=nightly.hail\r\n" in at_server[0]
    assert at_proxy[0].startswith(f"CONNECT {HOST}:443 HTTP/1.".encode())
    assert b"Proxy-Authorization: Basic dXPDqXI6cEBzcw==" in at_proxy[0]
    assert KEY.encode() not in at_proxy[0]
    assert b"X-API-Key: " + KEY.encode() in at_server[0]
    assert b"Proxy-Authorization" not in at_server[0]


def test_proxies_keep_the_certificate(send: Send, trusted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with Wire(tunnelling(server_context(trusted), answering(whole(RUN)), [])) as wire:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{wire.port}")
        assert type(failure_of(send, f"https://{HOST}")) is UntrustedServerError


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:{}", "socks5://127.0.0.1:{}"])
def test_no_proxy_leads_to_this_machine(send: Send, host: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_proxy: list[bytes] = []
    with Wire(answering(whole(RUN))) as server, Wire(answering(whole(RUN), requests=at_proxy)) as wire:
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(variable, proxy.format(wire.port))
        send(Endpoint(f"http://{host}:{server.port}", KEY), CREATE, LONG, LONG)
    assert at_proxy == []


def test_no_proxy_is_used_for_a_host_in_no_proxy(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    at_proxy: list[bytes] = []
    with Wire(answering(requests=at_proxy)) as wire:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{wire.port}")
        monkeypatch.setenv("NO_PROXY", ".example.com,.wherobots.test")
        assert type(failure_of(send, f"https://{HOST}")) is NotSentError
    assert at_proxy == []


@pytest.mark.parametrize(
    ("body", "header"), [(RUN, b"X: y"), (gzip.compress(RUN), b"Content-Encoding: gzip")], ids=["plain", "gzip"]
)
def test_whole_answers_are_decompressed(send: Send, body: bytes, header: bytes) -> None:
    heads: list[bytes] = []
    with Wire(answering(whole(body, header), requests=heads)) as wire:
        response = send(Endpoint(wire.url, KEY), CREATE, LONG, LONG)
    assert response.body == RUN
    assert b"Accept-Encoding: gzip\r\n" in heads[0]


def test_an_echoed_key_is_not_shown(send: Send) -> None:
    echo = json.dumps({"errors": [{"message": f"key {KEY} is unknown"}]}).encode()
    with Wire(answering(whole(echo, f"x-request-id: {KEY}".encode(), status=b"403 X"))) as wire:
        assert KEY not in str(failure_of(send, wire.url))
    with Wire(answering(f"{KEY}: what is this?\r\n\r\n".encode())) as wire:
        assert KEY not in "".join(traceback.format_exception(failure_of(send, wire.url)))


def test_a_short_key_spoils_no_answer(send: Send) -> None:
    with Wire(answering(whole(b'{"id": "r1", "status": "RUNNING", "name": "demo-1"}'))) as wire:
        response = send(Endpoint(wire.url, "1"), CREATE, LONG, LONG)
    assert read_response(CREATE, response).name == "demo-1"


def test_an_answer_without_end_does_not_fill_the_memory(send: Send) -> None:
    with Wire(forever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1" * 100_000)) as wire:
        tracemalloc.start()
        try:
            failure_of(send, wire.url, SHORT, SHORT)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 6 * CREATE.max_bytes
