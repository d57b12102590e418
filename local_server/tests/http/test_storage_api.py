"""Files over the API: uploads and downloads by presigned URLs, folders, and what nobody may do."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from local_server.tests.support import KEY, PUBLISHED, Client, assert_shape, missing, published
from wherobots_local import ControlClient, LocalServer
from wherobots_local.files import uploads

MINE = "/storage/user_files%3A%3Aaws-us-west-2"
OWN_FOLDER = "managed-storage/local0org00000/data/customer-local0user0000"


@pytest.fixture
def client(server: LocalServer) -> Client:
    (server.root / "bucket").mkdir(exist_ok=True)
    return Client(server.url, server.root)


@pytest.fixture(autouse=True)
def empty_folder(client: Client) -> Iterator[None]:
    """Each test finds the user's files empty."""
    yield
    for entry in listing(client, "")["items"]:
        kind = "directories" if entry["type"] == "FOLDER" else "files"
        client.request("DELETE", f"{MINE}/{kind}/{entry['path']}")


def listing(client: Client, path: str, **query: Any) -> dict[str, Any]:
    answer = client.request("GET", f"{MINE}/directories/{path}", params=query)
    assert answer.status_code == 200, answer.text
    assert_shape(answer.json(), "DirectoryListingResult")
    found: dict[str, Any] = answer.json()
    return found


def names(client: Client, path: str, **query: Any) -> list[str]:
    return [item["name"] for item in listing(client, path, **query)["items"]]


def upload_url(client: Client, path: str) -> dict[str, str]:
    answer = client.request("POST", f"{MINE}/file-upload-url/{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def put(url: str, content: bytes, **arguments: Any) -> requests.Response:
    """Upload without the key, as the service's clients do."""
    return requests.put(url, data=content, timeout=30, **arguments)


def upload(client: Client, path: str, content: bytes = b"print('uploaded')\n") -> str:
    target = upload_url(client, path)
    assert put(target["uploadUrl"], content).status_code == 200
    return target["destination"]


def code_of(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/xml"
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_a_script_is_uploaded_and_run(client: Client) -> None:
    uri = upload(client, "jobs/hello.py", b"import sys\nprint('hello', *sys.argv[1:])\n")
    assert uri == f"s3://{OWN_FOLDER}/jobs/hello.py"
    run = client.create(runPython={"uri": uri, "args": ["world"]})
    client.wait(run["id"], "COMPLETED")
    assert client.lines(run["id"]) == ["hello world"]


def test_a_file_comes_back_by_a_redirect(client: Client) -> None:
    upload(client, "a.bin", bytes(range(256)))
    for path, query in ((f"{MINE}/files/a.bin", {}), ("/files/download", {"key": f"{OWN_FOLDER}/a.bin"})):
        answer = client.request("GET", path, params=query, allow_redirects=False)
        assert answer.status_code == 307
        fetched = requests.get(answer.headers["Location"], timeout=30)
        assert fetched.content == bytes(range(256))
        assert fetched.headers["Content-Type"] == "application/octet-stream"
        assert fetched.headers["Content-Disposition"].startswith("attachment")


def test_folders(client: Client) -> None:
    assert client.request("PUT", f"{MINE}/directories/a/b").status_code == 404
    for path in ("a", "a/b", "a/b/"):
        answer = client.request("PUT", f"{MINE}/directories/{path}")
        assert answer.status_code == (409 if path.endswith("/") else 200)
    upload(client, "a/one.txt", b"1")
    found = listing(client, "a")
    assert (found["path"], found["name"], found["mutate_protected"]) == ("a/", "a", False)
    assert [(item["name"], item["path"], item["type"], item["size"]) for item in found["items"]] == [
        ("b", "a/b/", "FOLDER", 0),
        ("one.txt", "a/one.txt", "FILE", 1),
    ]
    assert client.request("DELETE", f"{MINE}/directories/a").status_code == 200
    assert client.request("GET", f"{MINE}/directories/a").status_code == 404
    assert client.request("DELETE", f"{MINE}/directories/a").status_code == 404


def test_a_folder_is_listed_in_pages(client: Client) -> None:
    for number in range(5):
        upload(client, f"many/{number}.txt", b"")
    assert names(client, "many") == [f"{number}.txt" for number in range(5)]
    found, cursor = [], None
    while True:
        page = listing(client, "many", limit=2, **({"cursor": cursor} if cursor else {}))
        found.append([item["name"] for item in page["items"]])
        cursor = page["next_page"]
        if cursor is None:
            break
    assert found == [["0.txt", "1.txt"], ["2.txt", "3.txt"], ["4.txt"]]
    assert client.request("GET", f"{MINE}/directories/many?limit=1001").status_code == 422
    assert client.request("GET", f"{MINE}/directories/many?limit=-1").status_code == 422
    assert client.request("GET", f"{MINE}/directories/many?cursor=%21").status_code == 400


def test_files_are_renamed_replaced_and_deleted(client: Client) -> None:
    upload(client, "a.txt", b"first")
    upload(client, "a.txt", b"second")
    assert (client.root / OWN_FOLDER / "a.txt").read_bytes() == b"second"
    assert client.request("POST", f"{MINE}/file-rename/a.txt", params={"new_name": "b.txt"}).status_code == 200
    assert names(client, "") == ["b.txt"]
    for wrong in ("", ".", "..", "x/y", "../x"):
        answer = client.request("POST", f"{MINE}/file-rename/b.txt", params={"new_name": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "new_name")
    assert client.request("DELETE", f"{MINE}/files/b.txt").status_code == 200
    assert client.request("DELETE", f"{MINE}/files/b.txt").status_code == 404
    assert client.request("POST", f"{MINE}/file-rename/b.txt?new_name=c").status_code == 404


def test_sources_are_the_buckets(client: Client) -> None:
    found = client.request("GET", "/storage").json()
    kinds = {source["name"]: source["type"] for source in found}
    assert kinds == {"managed-storage": "MANAGED", "bucket": "INTEGRATION"}
    for source in found:
        assert_shape(source, "StorageSource")
        assert client.request("GET", f"/storage/{source['id']}").json() == source
        access = client.request("POST", f"/storage/{source['id']}/access").json()
        assert_shape(access, "StorageIntegrationAccess")
        assert client.request("GET", f"/storage/{source['id']}/directories/").status_code == 200
    assert client.request("GET", "/storage/nosuchid").status_code == 404
    assert client.request("GET", "/storage/user_files::/directories/").status_code == 404


def test_the_older_listing_of_folders(client: Client) -> None:
    upload(client, "x/one.txt", b"1")
    by_key = client.request("GET", "/files/dir", params={"dir": f"{OWN_FOLDER}/x/"}).json()
    assert_shape(by_key, "Directory")
    assert [item["path"] for item in by_key["files"]] == [f"{OWN_FOLDER}/x/one.txt"]
    managed = client.request("GET", "/storage").json()[0]["id"]
    query = {"integration_id": managed, "dir": "/data/"}
    by_integration = client.request("GET", "/files/integration-dir", params=query).json()
    assert_shape(by_integration, "Directory")
    assert {item["name"] for item in by_integration["files"]} >= {"shared", "customer-local0user0000"}
    for path in ("/files/dir?dir=nobucket/x", "/files/upload-url?key=nobucket/x", "/files/download?key=nobucket/x"):
        method = "POST" if "upload" in path else "GET"
        answer = client.request(method, path)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["details"] == "No storage source found for bucket 'nobucket'"


def test_the_organization_and_the_user(client: Client) -> None:
    organization = client.request("GET", "/organization").json()
    assert_shape(organization, "Organization")
    assert organization["fileStore"]["bucketName"] == "managed-storage"
    assert [item["name"] for item in organization["storageIntegrations"]] == ["bucket"]
    me = client.request("GET", "/users/me").json()
    assert_shape(me, "HumanPrincipal")
    assert me["organizationId"] == organization["id"]
    quotas = client.request("GET", "/organization/quota/organization").json()
    assert set(quotas) == set(published("QuotaType")["enum"])


def test_costs(client: Client, control: ControlClient) -> None:
    run = control.create_run("a_synthetic_run")
    app = run["kubeApp"]["id"]

    def costs(*ids: str) -> dict[str, Any]:
        answer = client.request("POST", "/usage/costs", json={"kubeAppIds": ids})
        assert answer.status_code == 200, answer.text
        assert_shape(answer.json(), "WorkloadCostsOutput")
        found: dict[str, Any] = answer.json()["costs"]
        return found

    found = costs(app, "nosuchapp")
    assert (found[app]["status"], found[app]["cost"], found[app]["settled_at"]) == ("live", "0.00", None)
    assert found["nosuchapp"]["reason"] == "not_found"
    control.patch_run(run["id"], status="COMPLETED")
    assert costs(app)[app]["status"] == "final"
    for wrong in ([], ["x"] * 101, "x", None):
        answer = client.request("POST", "/usage/costs", json={"kubeAppIds": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "kubeAppIds")


def test_every_answer_has_every_field_of_the_description(client: Client) -> None:
    upload(client, "x.txt", b"1")
    for method, path, body in (
        ("GET", "/storage", None),
        ("GET", "/organization", None),
        ("GET", "/users/me", None),
        ("POST", "/usage/costs", {"kubeAppIds": ["x"]}),
        ("GET", f"/files/dir?dir={OWN_FOLDER}", None),
    ):
        answer = client.request(method, path, json=body)
        operation = PUBLISHED["paths"][path.partition("?")[0]][method.lower()]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        # Of the three kinds of users, one answers.
        kinds = schema.get("anyOf", [schema])
        assert any(list(missing(answer.json(), kind)) == [] for kind in kinds), path
    assert list(missing(listing(client, ""), published("DirectoryListingResult"))) == []


def test_there_are_no_temporary_keys(client: Client) -> None:
    answer = client.request("POST", "/storage/credentials", json={"path": "s3://bucket/x"})
    assert answer.status_code == 404
    assert_shape(answer.json(), "ErrorBody")
    assert "file-upload-url" in answer.json()["errors"][0]["suggestion"]


# Who may do what.


def test_a_presigned_url_is_good_for_one_thing(client: Client, server: LocalServer) -> None:
    url = upload_url(client, "a.txt")["uploadUrl"]
    other = url.replace("a.txt", "b.txt")
    later = url.replace("expires=1", "expires=2")
    assert url not in (other, later)
    for wrong in (other, later, url[:-1], url.partition("?")[0]):
        assert code_of(put(wrong, b"x")) == (403, "SignatureDoesNotMatch")
    assert code_of(requests.get(url, timeout=30)) == (403, "SignatureDoesNotMatch")
    key = {"X-API-Key": server.api_key}
    assert code_of(put(url.partition("?")[0], b"x", headers=key)) == (403, "SignatureDoesNotMatch")
    assert names(client, "") == []


def test_a_presigned_url_ends(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload_url(client, "a.txt")["uploadUrl"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3700)
    assert code_of(put(url, b"x")) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "text/plain"}, (403, "SignatureDoesNotMatch")),
        ({"X-API-Key": "leaked"}, (400, "InvalidArgument")),
        ({"Authorization": "Bearer leaked"}, (400, "InvalidArgument")),
    ],
)
def test_rules_of_an_upload(headers: dict[str, str], code: tuple[int, str], client: Client) -> None:
    assert code_of(put(upload_url(client, "a.txt")["uploadUrl"], b"x", headers=headers)) == code
    assert names(client, "") == []


def test_an_upload_has_a_length_and_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload_url(client, "a.txt")["uploadUrl"]
    assert code_of(requests.put(url, data=iter([b"x"]), timeout=30)) == (411, "MissingContentLength")
    monkeypatch.setattr(uploads, "MAX_OBJECT_BYTES", 10)
    assert code_of(put(url, b"x" * 11)) == (400, "EntityTooLarge")
    assert put(url, b"x" * 10).status_code == 200
    left = list((client.root / ".wherobots-local" / "uploads").iterdir())
    assert left == []


def test_a_file_where_a_folder_is_and_the_other_way_round(client: Client) -> None:
    upload(client, "folder/file", b"x")
    assert code_of(put(upload_url(client, "folder")["uploadUrl"], b"x"))[0] == 400
    assert code_of(put(upload_url(client, "folder/file/below")["uploadUrl"], b"x"))[0] == 400
    assert client.request("POST", f"{MINE}/file-upload-url/folder/").status_code == 400
    assert client.request("GET", f"{MINE}/directories/folder/file").status_code == 409
    assert client.request("DELETE", f"{MINE}/directories/").status_code == 400
    assert client.request("POST", f"{MINE}/file-upload-url/{'x' * 300}").status_code == 200
    assert code_of(put(upload_url(client, "x" * 300)["uploadUrl"], b"x"))[0] == 400


OUTSIDE = ["..%2f..%2fx", "%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret", "a/../../x", "a//b", "./x", "a%00b", "link/x", "own/x"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_the_root_is_reached(path: str, client: Client, tmp_path: Path) -> None:
    secret = tmp_path / "x"
    secret.write_text("secret")
    own_files = client.root / ".wherobots-local"
    (own_files / "x").write_text("secret")
    folder = client.root / OWN_FOLDER
    listing(client, "")
    for name, target in (("link", tmp_path), ("own", own_files)):
        (folder / name).symlink_to(target)
    before = sorted(os.listdir(client.root)), sorted(os.listdir(tmp_path))
    for method, kind, query in (
        ("POST", "file-upload-url", ""),
        ("GET", "files", ""),
        ("DELETE", "files", ""),
        ("POST", "file-rename", "?new_name=y"),
        ("GET", "directories", ""),
        ("PUT", "directories", ""),
        ("DELETE", "directories", ""),
    ):
        request = requests.Request(method, f"{client.url}{MINE}/{kind}/x", headers={"X-API-Key": "test-key"})
        prepared = client.session.prepare_request(request)
        prepared.url = f"{client.url}{MINE}/{kind}/{path}{query}"  # As it is: requests would normalise it.
        answer = client.session.send(prepared, timeout=30, allow_redirects=False)
        assert answer.status_code in (400, 404), (kind, answer.text)
        assert_shape(answer.json(), "ErrorBody")
    assert (sorted(os.listdir(client.root)), sorted(os.listdir(tmp_path))) == before
    assert secret.read_text() == (own_files / "x").read_text() == "secret"
    (own_files / "x").unlink()
    # A link out of the root is no entry, and deleting it leaves what it leads to.
    assert names(client, "") == []
    for name in ("link", "own"):
        assert client.request("DELETE", f"{MINE}/directories/{name}").status_code == 200
    assert secret.exists()


def test_a_link_to_the_root_does_not_lead_to_the_servers_own_folder(client: Client) -> None:
    listing(client, "")
    (client.root / OWN_FOLDER / "up").symlink_to(client.root)
    own_files = client.root / ".wherobots-local"
    for method, kind in (("DELETE", "directories"), ("GET", "directories"), ("POST", "file-upload-url")):
        answer = client.request(method, f"{MINE}/{kind}/up/.wherobots-local")
        assert answer.status_code == 400, (kind, answer.text)
    assert own_files.is_dir()
    assert names(client, "up/managed-storage") == ["local0org00000"]


def test_half_of_a_file_arrives(client: Client, control: ControlClient) -> None:
    upload(client, "a.txt", b"0123456789")
    url = client.request("GET", f"{MINE}/files/a.txt", allow_redirects=False).headers["Location"]
    control.add_fault("getObject", {"type": "truncate"}, times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="5 bytes read, 5 more expected"):
        requests.get(url, timeout=30)
    assert [entry["fault"] for entry in control.requests("getObject")] == ["truncate"]


def test_faults_and_the_journal_know_uploads(client: Client, control: ControlClient) -> None:
    control.add_fault("createFileUploadUrl", {"type": "status", "status": 503}, times=1)
    assert client.request("POST", f"{MINE}/file-upload-url/a.txt").status_code == 503
    url = upload_url(client, "a.txt")["uploadUrl"]
    control.add_fault("putObject", {"type": "status", "status": 403, "body": "<Error/>"}, times=1)
    assert [put(url, b"x").status_code for _ in range(2)] == [403, 200]
    entries = control.requests("putObject")
    assert [(entry["status"], entry["fault"]) for entry in entries] == [(403, "status"), (200, None)]
    assert urlsplit(url).query not in str(control.requests())


def test_what_a_killed_server_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / ".wherobots-local" / "uploads"
    folder.mkdir(parents=True)
    (folder / "left").touch()
    uploads.Uploads(tmp_path)
    assert not folder.exists()


def test_a_link_in_the_place_of_managed_storage_makes_nothing_outside_the_root(tmp_path: Path) -> None:
    (outside := tmp_path / "outside").mkdir()
    (root := tmp_path / "root").mkdir()
    (root / "managed-storage").symlink_to(outside)
    with LocalServer(root, api_key=KEY) as server:
        client = Client(server.url, server.root)
        for path in ("/organization", "/storage", f"{MINE}/directories/"):
            answer = client.request("GET", path)
            assert (answer.status_code, "outside the server's root" in answer.text) == (400, True)
    assert list(outside.iterdir()) == []


def test_a_key_is_no_longer_than_on_s3(client: Client) -> None:
    deep = "/".join("a" * 1000)
    answer = client.request("POST", f"{MINE}/file-upload-url/{deep}")
    assert (answer.status_code, "more than 1,024 bytes" in answer.text) == (400, True)
    assert client.request("PUT", f"{MINE}/directories/{deep}").status_code == 400
    run, _ = client.run(runPython={"uri": f"s3://bucket/{deep}"}, status="FAILED")
    assert "more than 1,024 bytes" in run["kubeApp"]["message"]
    # As deep as a key can be.
    key = f"{OWN_FOLDER}/{'/'.join('a' * 480)}"
    upload(client, key.removeprefix(f"{OWN_FOLDER}/"))
    assert client.request("DELETE", f"{MINE}/directories/a").status_code == 200
