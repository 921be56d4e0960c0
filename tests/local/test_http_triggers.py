from typing import Any

import aiohttp
import pytest

from local.host.process import HostProcess
from tests.eventually import logged


async def test_a_function_sees_the_whole_request(web: aiohttp.ClientSession, host: HostProcess) -> None:
    url = "/v1/things/car/a%2Fb%20c?colour=red&colour=dark%20blue"
    async with web.post(url, data="hello", headers={"X-Sample": "one"}) as answer:
        assert answer.status == 201
        assert answer.headers["x-answer"] == "yes"
        assert answer.content_type == "application/json"
        seen: dict[str, Any] = await answer.json()
    assert seen == {
        "method": "POST",
        "url": f"{host.url}{url}",
        "header": "one",
        "route": {"kind": "car", "id": "a%2Fb c"},
        "query": {"colour": "red,dark blue"},
        "body": "hello",
    }


async def test_cookies_are_passed_on(host: HostProcess) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{host.url}/v1/things/car") as answer:
        cookie = answer.cookies["flavour"]
    assert cookie.value == "oat"
    assert (cookie["max-age"], cookie["path"], cookie["samesite"]) == ("60", "/v1", "Lax")
    assert cookie["secure"]
    assert cookie["httponly"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/things/car", 201),
        ("GET", "/V1/Things/car/", 201),
        ("HEAD", "/v1/things/car", 201),
        ("GET", "/v1/things/42", 404),
        ("GET", "/v1/things", 404),
        ("GET", "/things/car", 404),
        ("GET", "/", 404),
        ("PUT", "/v1/things/car", 405),
        ("GET", "/v1/broken", 500),
    ],
)
async def test_paths_and_methods(web: aiohttp.ClientSession, method: str, path: str, status: int) -> None:
    async with web.request(method, path) as answer:
        assert answer.status == status


async def test_the_more_literal_route_wins(web: aiohttp.ClientSession) -> None:
    async with web.get("/v1/things/special") as answer:
        assert (answer.status, await answer.text()) == (200, "special")
    async with web.post("/v1/things/special") as answer:
        assert answer.status == 201, "only the other one has POST"


async def test_a_wrong_method_is_told_the_right_ones(web: aiohttp.ClientSession) -> None:
    async with web.put("/v1/broken") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "DELETE,GET"


async def test_a_failure_is_an_empty_500_and_one_line_in_the_log(
    web: aiohttp.ClientSession, host: HostProcess
) -> None:
    async with web.delete("/v1/broken") as answer:
        assert (answer.status, await answer.text()) == (500, "")
    assert len(await logged(host, "failed: LookupError: no luck with DELETE (function_app.py:")) == 1


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 401),
        ("?code=wrong", {}, 401),
        ("", {"x-functions-key": "wrong"}, 401),
        ("?code=sesame", {}, 200),
        ("", {"X-Functions-Key": "sesame"}, 200),
    ],
)
async def test_a_function_key_is_asked_where_the_function_asks(
    web: aiohttp.ClientSession, query: str, headers: dict[str, str], status: int
) -> None:
    async with web.get(f"/v1/files/a/b.txt{query}", headers=headers) as answer:
        assert answer.status == status
        assert await answer.text() == ("a/b.txt" if status == 200 else "")
