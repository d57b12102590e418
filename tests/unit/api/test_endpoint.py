import json

import pytest

from airflow_provider_wherobots.api.endpoint import (
    Endpoint,
    base_url,
    check_console_url_template,
    console_url,
    is_loopback,
    is_web_address,
)
from airflow_provider_wherobots.api.errors import InvalidArgumentError

KEY = "wh-secret-4711"


@pytest.mark.parametrize(
    ("host", "port", "scheme", "url"),
    [
        (None, None, None, "https://api.cloud.wherobots.com"),
        ("  ", None, None, "https://api.cloud.wherobots.com"),
        ("api.staging.wherobots.com", None, None, "https://api.staging.wherobots.com"),
        ("https://api.cloud.wherobots.com/", None, None, "https://api.cloud.wherobots.com"),
        ("api.example.com:8443", None, None, "https://api.example.com:8443"),
        ("api.example.com", 8443, None, "https://api.example.com:8443"),
        ("api.example.com:8443", 9, None, "https://api.example.com:8443"),
        ("https://gateway.example.com/wherobots/", None, None, "https://gateway.example.com/wherobots"),
        ("127.0.0.1", 8765, "http", "http://127.0.0.1:8765"),
        ("http://127.0.0.1:8765", None, "https", "http://127.0.0.1:8765"),
        ("http://wherobots.localhost:8765", None, None, "http://wherobots.localhost:8765"),
        ("::1", 8765, "http", "http://[::1]:8765"),
        ("[::1]:8765", None, "http", "http://[::1]:8765"),
        ("http://[::1]:8765", None, None, "http://[::1]:8765"),
        ("2001:db8::1", None, None, "https://[2001:db8::1]"),
    ],
)
def test_base_url_of_a_connection(host: str | None, port: int | None, scheme: str | None, url: str) -> None:
    assert base_url(host, port, scheme) == url


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("http://api.cloud.wherobots.com", "plain http"),
        ("http://0.0.0.0:8765", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("http://127.0.0.1.example.com", "plain http"),
        ("http://example.com\\.localhost", "backslash"),
        ("ftp://api.cloud.wherobots.com", "scheme must be http or https"),
        ("https://", "contains no host name"),
        ("https://api.example.com?x=1", "without query"),
        ("api example.com", "spaces"),
        ("api.example.com:port", "valid port"),
        ("api.example.com:99999", "valid port"),
        ("https://[::1", "host name or address"),
    ],
)
def test_a_wrong_host_is_one_error_with_the_argument_the_value_and_the_rule(host: str, rule: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rule) as caught:
        base_url(host)
    assert str(caught.value).startswith("host=")
    assert repr(host).strip("'") in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        f"https://{KEY}@api.example.com",
        f"https://user:{KEY}@api.example.com",
        f"user:{KEY}@api.example.com",
        f"https://user:{KEY}#x@api.example.com",
        f"https://user:{KEY}\u2100@api.example.com",
        f"https://user:[{KEY}@api.example.com",
    ],
)
def test_a_host_with_credentials_is_refused_without_showing_them(host: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        base_url(host)
    assert KEY not in str(caught.value)
    assert "user" not in str(caught.value).split(":", 1)[0]


def test_only_names_that_can_only_mean_this_machine_are_loopback() -> None:
    assert all(map(is_loopback, ["localhost", "a.localhost", "127.0.0.1", "127.8.9.10", "::1"]))
    others = ["localhost.com", "notlocalhost", "128.0.0.1", "::", "0.0.0.0", "", "2130706433"]  # noqa: S104 - only a name
    assert not any(map(is_loopback, others))


def test_the_key_is_sent_as_header_and_shown_nowhere() -> None:
    endpoint = Endpoint("https://api.example.com", KEY, "agent/1", "client=x;ver=1")
    assert endpoint.headers == {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "X-API-Key": KEY,
        "X-Wherobots-Client": "client=x;ver=1",
        "User-Agent": "agent/1",
    }
    assert endpoint.headers_for("") == endpoint.headers
    assert endpoint.headers_for("nightly.hail")["X-Wherobots-Client"] == "client=x;ver=1;cmd=nightly.hail"
    assert KEY not in repr(endpoint)
    assert KEY not in str(endpoint)
    assert KEY not in endpoint.base_url


@pytest.mark.parametrize("key", ["", f"{KEY}\r\nX-Evil: 1", f"{KEY}\n", f"{KEY}ü", f"{KEY}\x00"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(InvalidArgumentError, match="api_key") as caught:
        Endpoint("https://api.example.com", key)
    assert KEY not in str(caught.value)


def test_a_key_echoed_in_a_text_is_taken_out_as_it_is_and_as_json_writes_it() -> None:
    endpoint = Endpoint("https://api.example.com", KEY)
    assert endpoint.redact(f"<p>X-API-Key: {KEY}</p> {KEY}") == "<p>X-API-Key: ***</p> ***"
    quoted = Endpoint("https://api.example.com", 'a"b\\c')
    assert quoted.redact(json.dumps({"key": 'a"b\\c'})) == '{"key": "***"}'


@pytest.mark.parametrize(
    ("api", "url"),
    [
        ("https://api.cloud.wherobots.com", "https://cloud.wherobots.com/runs/r1"),
        ("https://api.staging.wherobots.com", "https://staging.wherobots.com/runs/r1"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765/runs/r1"),
    ],
)
def test_console_url_is_the_api_host_without_its_first_label(api: str, url: str) -> None:
    assert console_url(api, "r1") == url


def test_a_template_takes_the_run_id_wherever_it_stands() -> None:
    template = "http://console.example.com:8080/{run_id}/view?run={run_id}#top"
    check_console_url_template(template)
    assert console_url("https://ignored", "r1", template) == "http://console.example.com:8080/r1/view?run=r1#top"


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("https://console.example.com/", r"must contain \{run_id\}"),
        ("https://console.example.com/{run_id}/{name}", "nothing else in braces"),
        ("https://console.example.com/{run_id.__class__}", r"must contain \{run_id\}"),
        ("https://console.example.com/{{run_id}}", "nothing else in braces"),
        ("javascript:alert('{run_id}')", "http or https"),
        ("https://console.example.com/ {run_id}", "without a user, spaces"),
        ("https://console.example.com/\n{run_id}", "without a user, spaces"),
        ("https://[::1/{run_id}", "http or https"),
        (f"https://me:{KEY}@console.example.com/{{run_id}}", "without a user"),
    ],
)
def test_a_wrong_template_is_one_error_with_the_value_and_the_rule(template: str, rule: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rule) as caught:
        check_console_url_template(template)
    assert str(caught.value).startswith("console_url_template=")
    assert KEY not in str(caught.value)


GOOD = ("http://10.0.0.1:4040", "https://spark.example.com/ui/?a=b#c", "https://[::1]/")
BAD = (
    *("", "spark.example.com", "javascript:alert(1)", "https://", "https://a b", "https://a\r\nb"),
    *("https://a/\x1b[31m", "https://user:password@spark.example.com", "https://[::1"),
    "https://spark.example.com/" + "x" * 2_048,
)


@pytest.mark.parametrize("address", [*GOOD, *BAD])
def test_what_may_be_a_link(address: str) -> None:
    assert is_web_address(address) == (address in GOOD)


def test_messages_name_the_host_and_what_names_it() -> None:
    assert Endpoint("https://api.example.com", KEY).address == "https://api.example.com"
    assert Endpoint("https://x", KEY, source="connection 'x'").address == "https://x (connection 'x')"
