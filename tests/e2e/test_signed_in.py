"""Behind App Service authentication, whose part the test plays: it says who calls, and nobody else can."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest

from local.azure.server import SimulatedAzure
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.host.process import HostProcess
from tests.e2e.town import App, path, settings_for

ADA, BOB = "11111111-0000-4000-8000-00000000ada0", "22222222-0000-4000-8000-00000000b0b0"


def signed_in(oid: str, name: str, *roles: str) -> dict[str, str]:
    """The platform's headers."""
    claims = [{"typ": "http://schemas.microsoft.com/identity/claims/objectidentifier", "val": oid}]
    claims += [{"typ": "roles", "val": role} for role in roles]
    principal = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles"}
    return {
        "X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(principal).encode()).decode(),
        "X-MS-CLIENT-PRINCIPAL-ID": oid,
        "X-MS-CLIENT-PRINCIPAL-NAME": name,
        "X-MS-CLIENT-PRINCIPAL-IDP": "aad",
    }


OPERATOR = signed_in(ADA, "ada@example.com", "Stopgap.Operator")
READER = signed_in(BOB, "bob@example.com", "Stopgap.Reader")


@pytest.fixture(scope="module")
async def apps(storage: str, azure: SimulatedAzure) -> AsyncIterator[Callable[[bool], App]]:
    """The app, with and without names kept. Were a key asked for, nobody here would have it."""
    async with AsyncExitStack() as stack:
        made = {}
        for keep in (False, True):
            settings = settings_for(storage, azure) | {
                "WEBSITE_AUTH_ENABLED": "True",
                "STOPGAP_KEEP_CALLER": str(keep),
            }
            host = await stack.enter_async_context(
                HostProcess(settings, arguments=["--function-key", "nobody-has-it"])
            )
            made[keep] = App(host, await stack.enter_async_context(aiohttp.ClientSession(host.url)))
        yield made.__getitem__


@pytest.fixture
async def vm(apps: Callable[[bool], App], azure: SimulatedAzure) -> str:
    vm = azure.add_vm(DEFAULT_SUBSCRIPTION, "rg-signed", f"vm-{len(azure.vms)}", state="stopped")
    assert (await apps(False).ask(vm, "look", headers=OPERATOR))[0] == 202
    return vm


@pytest.mark.parametrize(("keep_name", "recorded"), [(False, ADA), (True, "ada@example.com")])
async def test_an_operator_may_change_and_is_put_on_record(
    apps: Callable[[bool], App], vm: str, keep_name: bool, recorded: str
) -> None:
    status, body = await apps(keep_name).ask(vm, "exempt", headers=OPERATOR, reason="x")
    assert (status, body["exemption"]["by"]) == (202, recorded)


async def test_who_has_not_the_role_may_look_and_not_change(apps: Callable[[bool], App], vm: str) -> None:
    app = apps(False)
    for what, members in (
        ("deallocate", {}),
        ("exempt", {"reason": "x"}),
        ("snooze", {"end": True}),
        ("look", {}),
    ):
        status, body = await app.ask(vm, what, headers=READER, **members)
        assert status == 403
        assert body["detail"] == f"this needs the app role Stopgap.Operator, which {BOB} does not have"
    for address in ("/api/health", "/api/vms", path(vm), path(vm).replace("/vms/", "/dashboard/")):
        async with app.http.get(address, headers=READER) as answer:
            assert answer.status == 200
            text = await answer.text()
    assert "<form" not in text
    assert "needs the app role" in text
    async with app.http.get("/api/dashboard", headers=READER) as answer:
        assert answer.status == 200
        assert 'method="post"' not in await answer.text()


@pytest.mark.parametrize(
    "headers", [{}, {"X-MS-CLIENT-PRINCIPAL": "not base64!", "X-MS-CLIENT-PRINCIPAL-ID": ADA}]
)
async def test_who_is_not_signed_in_gets_nowhere(
    apps: Callable[[bool], App], vm: str, headers: dict[str, str]
) -> None:
    app = apps(False)
    for address in (
        "/api/health",
        "/api/vms",
        "/api/dashboard",
        path(vm),
        path(vm).replace("/vms/", "/dashboard/"),
    ):
        async with app.http.get(address, headers=headers) as answer:
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert "sign in" in await answer.text()
    for what in ("deallocate", "exempt", "snooze", "look"):
        assert (await app.ask(vm, what, headers=headers))[0] == 401


async def test_a_page_of_another_site_cannot_use_an_operators_session(
    apps: Callable[[bool], App], vm: str
) -> None:
    status, body = await apps(False).ask(vm, "look", headers=OPERATOR | {"Sec-Fetch-Site": "cross-site"})
    assert (status, "another site" in body["detail"]) == (403, True)
