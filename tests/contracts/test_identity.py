"""The app's identity: real azure-identity, against an endpoint as App Service gives one to each app.

https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.adapters.identity import Identity
from shared.storage import Account
from tests.contracts.canned import Canned, canned_service, said
from tests.contracts.test_account import Recording

CLIENT = "00000000-0000-4000-8000-00000000c11e"


@pytest.fixture
async def platform(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Canned]:
    """Gives each who asks a token for a day."""
    async with canned_service() as service:
        expires_on = str(int(time.time()) + 86_400)
        token = {"access_token": "s3cret", "expires_on": expires_on, "resource": "x", "token_type": "Bearer"}
        service.answer(said(200, json.dumps(token)))
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{service.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        for name in ("CLIENT_ID", "TENANT_ID", "FEDERATED_TOKEN_FILE", "TOKEN_CREDENTIALS"):
            monkeypatch.delenv(f"AZURE_{name}", raising=False)
        yield service


@asynccontextmanager
async def an_identity(client_id: str | None = CLIENT) -> AsyncIterator[Identity]:
    async with Identity(client_id) as identity:
        yield identity


@pytest.mark.parametrize("client_id", [None, CLIENT])
async def test_a_request_to_storage_has_its_token(platform: Canned, client_id: str | None) -> None:
    transport, uri = Recording(), "https://shop.table.core.windows.net"
    async with (
        an_identity(client_id) as identity,
        Account.open("table", None, uri, identity, transport) as account,
    ):
        for _ in range(2):
            await account.send("GET", "/ledger()")
    assert [sent.headers["Authorization"] for sent in transport.sent] == ["Bearer s3cret"] * 2
    [asked] = platform.requests
    assert asked.query["resource"] == "https://storage.azure.com"
    assert asked.query.get("client_id") == client_id


async def test_by_both_ways_in_which_azure_core_asks(platform: Canned) -> None:
    async with an_identity() as identity:
        assert (await identity.get_token("https://management.azure.com/.default")).token == "s3cret"
        told = await identity.get_token_info("https://management.azure.com/.default", options={})
        assert told.token == "s3cret"
    assert {asked.query["resource"] for asked in platform.requests} == {"https://management.azure.com"}


async def test_one_that_nobody_asked_has_nothing_to_close() -> None:
    async with an_identity():
        pass
