"""Who may ask the lab what."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from lab_pages import asking

from kqv.http.names import is_loopback
from kqv.lab.app import create_app
from kqv.lab.guard import PAGE_TOKEN
from kqv.lab.settings import Settings


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "", "[::2]:80"]
)
def test_other_names_of_the_host_are_refused(client: TestClient, host: str) -> None:
    answer = client.get("/api/models", headers={"host": host})
    assert answer.status_code == 421
    assert "error" in answer.json()


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000", "LOCALHOST:1"])
def test_the_machines_own_names_are_taken(client: TestClient, host: str) -> None:
    assert client.get("/api/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://localhost:8001"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/api/models", headers=headers).status_code == 403


def test_the_own_page_is_answered(client: TestClient) -> None:
    headers = {"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}
    assert client.get("/api/models", headers=headers).status_code == 200


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_a_change_needs_the_pages_token(lab_settings: Settings, token: str | None) -> None:
    with TestClient(create_app(lab_settings), base_url="http://localhost") as stranger:
        headers = {} if token is None else {PAGE_TOKEN: token}
        assert stranger.post("/api/anything", headers=headers).status_code == 403


def test_with_the_token_it_is_looked_for(client: TestClient) -> None:
    assert client.post("/api/anything").status_code == 404


def test_a_large_body_is_refused_by_its_length_and_by_what_comes(lab_settings: Settings) -> None:
    settings = Settings(runs=lab_settings.runs, largest_request=1000)
    app = create_app(settings)

    @app.post("/api/echo")
    def echo(body: dict[str, str]) -> dict[str, str]:
        return body

    with TestClient(app, base_url="http://localhost", headers={PAGE_TOKEN: settings.page_token}) as client:
        assert client.post("/api/echo", json={"a": "b"}).json() == {"a": "b"}
        assert client.post("/api/echo", json={"a": "b" * 2000}).status_code == 413
        pieces = (b'{"a": "' + b"b" * 600 for _ in range(4))  # sent in chunks, without a length
        assert client.post("/api/echo", content=pieces, headers={"content-type": "application/json"}).status_code == 413


def test_too_much_at_once_is_put_off(lab_settings: Settings) -> None:
    with asking(Settings(runs=lab_settings.runs, most_requests=0)) as client:
        answer = client.get("/api/models")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_every_answer_has_the_policy(client: TestClient) -> None:
    for answer in (client.get("/api/models"), client.get("/nothing"), client.get("/", headers={"host": "x"})):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/assets/../index.html", "/assets/..%2findex.html", "/assets/%2e%2e/stamp", "/assets//etc/passwd"]
)
def test_no_path_leads_out_of_the_pages(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_others_need_the_token(tmp_path: Path) -> None:
    settings = Settings(host="192.0.2.7", runs=tmp_path, token="secret")
    app = create_app(settings)
    with TestClient(app, base_url="http://192.0.2.7:8000", follow_redirects=False) as client:
        assert client.get("/api/models").status_code == 401
        assert client.get("/api/models?token=wrong").status_code == 401
        welcome = client.get("/?token=secret")
        assert welcome.status_code == 303
        assert "HttpOnly" in welcome.headers["set-cookie"]
        assert client.get("/api/models").status_code == 200  # with the cookie
    with TestClient(app, base_url="http://192.0.2.7:8000") as client:
        assert client.get("/api/models", headers={"authorization": "Bearer secret"}).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "example.org"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
