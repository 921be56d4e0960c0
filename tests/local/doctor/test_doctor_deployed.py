"""Finding an installation by its resource group."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from local.azure.permissions import WATCH
from local.azure.server import SimulatedAzure
from local.doctor import deployed
from local.doctor.deployed import IDENTITY, Deployed, NotFound, Place, deployed_at, resolved
from local.doctor.findings import Finding, Verdict
from shared.settings import Settings
from tests.contracts.canned import Answer, Canned, said
from tests.local.doctor.conftest import SUB, Environment

GROUP = "rg-stopgap-dev"
SITE = f"/subscriptions/{SUB}/resourceGroups/{GROUP}/providers/Microsoft.Web/sites/func-1"
TAGS = {"azd-service-name": "stopgap"}


def add(azure: SimulatedAzure, name: str = "func-1", **options: Any) -> str:  # noqa: ANN401 - of `Site`
    defaults: dict[str, Any] = {
        "host_name": f"{name}.azurewebsites.net",
        "settings": {"STOPGAP_MODE": "notify", IDENTITY: "an identity"},
        "tags": TAGS,
    }
    return azure.add_function_app(SUB, options.pop("group", GROUP), name, **defaults | options)


async def found(azure: SimulatedAzure, group: str = GROUP, **environment: str) -> Deployed:
    return await deployed_at(Place(group, SUB), {"STOPGAP_ARM_ENDPOINT": azure.url, **environment})


async def not_found(azure: SimulatedAzure, group: str = GROUP, **environment: str) -> Finding:
    with pytest.raises(NotFound) as refusal:
        await found(azure, group, **environment)
    return refusal.value.finding


class TestFound:
    async def test_the_one_that_azd_made(self, azure: SimulatedAzure) -> None:
        add(azure, keys={"default": "sesame"})
        add(azure, "other", tags={"azd-service-name": "api"})
        add(azure, "bare", tags={})
        add(azure, "elsewhere", group="rg-other")
        it = await found(azure, GROUP.upper())
        assert (it.id, it.name, it.location) == (SITE, "func-1", "westeurope")
        assert (it.address, it.key) == ("https://func-1.azurewebsites.net", "sesame")
        assert it.settings == {"STOPGAP_MODE": "notify"}, "the identity is the app's alone"
        assert [finding.verdict for finding in it.findings] == [Verdict.OK]
        assert "sesame" not in repr(it)
        assert {request.agent.partition(" ")[0] for request in azure.requests} == {"stopgap-doctor"}

    async def test_what_it_is_asked_with_is_whoever_is_signed_in(self, azure: SimulatedAzure) -> None:
        whole = {
            "STOPGAP_SUBSCRIPTIONS": SUB,
            "AzureWebJobsStorage__tableServiceUri": "https://x.table.core.windows.net",
            "AzureWebJobsStorage__queueServiceUri": "https://x.queue.core.windows.net",
            "AzureWebJobsStorage__credential": "managedidentity",
            IDENTITY: "00000000-0000-4000-8000-0000000000ff",
        }
        add(azure, settings=whole)
        assert Settings.from_env(whole).storage.client_id
        assert Settings.from_env((await found(azure)).settings).storage.client_id is None

    async def test_settings_of_doctors_own_environment_do_not_count(self, azure: SimulatedAzure) -> None:
        add(azure)
        assert (await found(azure, STOPGAP_MODE="observe")).settings["STOPGAP_MODE"] == "notify"

    async def test_one_that_is_switched_off_is_wrong(self, service: Canned) -> None:
        off = {"defaultHostName": "func-1.azurewebsites.net", "state": "Stopped"}
        service.answer(*answers(site(properties=off)))
        it = await canned(service)
        assert [(each.verdict.value, each.fact) for each in it.findings[1:]] == [
            ("wrong", "function app func-1 is Stopped: no events are taken")
        ]

    async def test_without_the_right_to_its_keys_there_is_none(self, azure: SimulatedAzure) -> None:
        add(azure)
        azure.permit((*WATCH, "*/read", "Microsoft.Web/sites/config/list/action"))
        it = await found(azure)
        assert it.key is None
        (_, refused) = it.findings
        assert refused.blind
        assert "'Microsoft.Web/sites/host/listkeys/action'" in refused.fact
        assert refused.mend
        assert refused.mend.endswith(f'--role "Website Contributor" --scope {SITE}')


class TestNotFound:
    async def test_no_such_group(self, azure: SimulatedAzure) -> None:
        finding = await not_found(azure)
        assert finding.blind
        assert "no such resource group" in finding.fact
        assert "ResourceGroupNotFound" in finding.fact
        assert f"az group list --subscription {SUB}" in (finding.mend or "")

    async def test_no_such_subscription(self, azure: SimulatedAzure) -> None:
        with pytest.raises(NotFound, match="SubscriptionNotFound") as refusal:
            await deployed_at(Place(GROUP, SUB[:-1] + "9"), {"STOPGAP_ARM_ENDPOINT": azure.url})
        assert (refusal.value.finding.mend or "").startswith("correct --deployed-in")

    async def test_none_of_ours(self, azure: SimulatedAzure) -> None:
        add(azure, "web-1", tags={"azd-service-name": "web"})
        finding = await not_found(azure)
        assert finding.fact == (
            f"resource group {GROUP} has no function app with tag azd-service-name: stopgap, of web-1"
        )

    async def test_none_at_all(self, azure: SimulatedAzure) -> None:
        azure.add_vm(SUB, GROUP, "vm-1")
        assert (await not_found(azure)).fact.endswith("tag azd-service-name: stopgap, nor any other")

    async def test_two_of_them(self, azure: SimulatedAzure) -> None:
        add(azure)
        add(azure, "func-2")
        finding = await not_found(azure)
        assert "has 2 function apps with tag azd-service-name: stopgap: func-1, func-2" in finding.fact
        assert "fetch-app-settings" in (finding.mend or "")

    @pytest.mark.parametrize(
        ("actions", "missing", "role"),
        [
            (WATCH, "Microsoft.Web/sites/read", '"Reader"'),
            (("*/read",), "Microsoft.Web/sites/config/list/action", '"Website Contributor"'),
        ],
    )
    async def test_without_the_right_to_read_it(
        self, azure: SimulatedAzure, actions: tuple[str, ...], missing: str, role: str
    ) -> None:
        add(azure)
        azure.permit(actions)
        finding = await not_found(azure)
        assert finding.blind
        assert f"'{missing}'" in finding.fact
        assert f"--role {role} --scope /subscriptions/{SUB}/resourceGroups/{GROUP}" in (finding.mend or "")

    async def test_an_arm_that_is_none(self) -> None:
        with pytest.raises(NotFound, match="STOPGAP_ARM_ENDPOINT is malformed"):
            await deployed_at(Place(GROUP, SUB), {"STOPGAP_ARM_ENDPOINT": "ftp://x"})

    @pytest.mark.parametrize(
        ("number", "answer", "fact"),
        [
            (
                0,
                said(200, '{"value": [{"id": "x", "name": "y", "location": "z"}]}'),
                "defaultHostName of a site",
            ),
            (1, said(200, '{"properties": {"A": 1}}'), "`properties` to be an object of texts, got dict"),
            (1, said(200, '{"properties": null}'), "`properties` to be an object of texts, got NoneType"),
            (1, said(200, "[]"), "expected an object"),
            (1, said(503), "HTTP 503"),
        ],
    )
    async def test_answers_of_another_shape(
        self, service: Canned, number: int, answer: Answer, fact: str
    ) -> None:
        service.answer(*answers()[:number], *[answer] * 3)
        with pytest.raises(NotFound) as refusal:
            await canned(service)
        assert refusal.value.finding.verdict is Verdict.WRONG
        assert fact in refusal.value.finding.fact


def site(**changes: object) -> str:
    row: dict[str, object] = {
        "id": SITE,
        "name": "func-1",
        "location": "West Europe",
        "tags": TAGS,
        "properties": {"defaultHostName": "func-1.azurewebsites.net"},
    }
    return json.dumps({"value": [{**row, **changes}]})


def answers(sites: str | None = None) -> tuple[Answer, ...]:
    return (
        said(200, sites or site()),
        said(200, '{"properties": {"STOPGAP_MODE": "notify"}}'),
        said(200, '{"functionKeys": {"mine": "sesame"}, "masterKey": "m"}'),
    )


async def canned(service: Canned) -> Deployed:
    return await deployed_at(Place(GROUP, SUB), {"STOPGAP_ARM_ENDPOINT": service.url})


async def test_what_is_asked_of_arm(service: Canned) -> None:
    service.answer(*answers())
    it = await canned(service)
    assert it.key == "sesame", "any of the function keys will do, but not the master key"
    assert [(request.method, request.path) for request in service.requests] == [
        ("GET", SITE.rpartition("/")[0]),
        ("POST", f"{SITE}/config/appsettings/list"),
        ("POST", f"{SITE}/host/default/listkeys"),
    ]
    assert {request.query["api-version"] for request in service.requests} == {"2025-03-01"}
    assert [request.headers.get("Content-Length") for request in service.requests[1:]] == ["0", "0"]


class TestReferences:
    URI = "https://vault.vault.azure.net/secrets/webhook/"

    @pytest.mark.parametrize(
        ("reference", "command"),
        [
            (
                f"@Microsoft.KeyVault(SecretUri={URI})",
                f'"$(az keyvault secret show --id {URI} --query value --output tsv)"',
            ),
            (
                "@microsoft.keyvault(VaultName=v; SecretName=s)",
                '"$(az keyvault secret show --vault-name v --name s --query value --output tsv)"',
            ),
            ("@Microsoft.AppConfiguration(Endpoint=https://x; Key=y)", "<value>"),
        ],
    )
    def test_what_has_no_value_is_said_and_not_guessed(self, reference: str, command: str) -> None:
        settings = {"STOPGAP_MODE": "notify", "STOPGAP_WEBHOOK_URL": reference}
        with pytest.raises(NotFound) as refusal:
            resolved(settings, {})
        finding = refusal.value.finding
        assert finding.blind
        assert finding.fact == "ARM has references in the place of values: STOPGAP_WEBHOOK_URL"
        assert finding.mend == f"give the values in the environment: export STOPGAP_WEBHOOK_URL={command}"

    def test_doctors_environment_can_give_it(self) -> None:
        settings = {"STOPGAP_WEBHOOK_URL": f"@Microsoft.KeyVault(SecretUri={self.URI})"}
        given = {"STOPGAP_WEBHOOK_URL": "https://hooks.slack.com/x", "STOPGAP_MODE": "observe"}
        assert resolved(settings, given) == {"STOPGAP_WEBHOOK_URL": "https://hooks.slack.com/x"}

    def test_what_doctor_does_not_read_may_be_one(self) -> None:
        settings = {"SOMETHING": f"@Microsoft.KeyVault(SecretUri={self.URI})", "STOPGAP_MODE": "notify"}
        assert resolved(settings, {}) == settings


class TestSubscriptionOfTheCli:
    """On a machine with an Azure CLI that says just this."""

    @pytest.fixture
    def cli(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        program = tmp_path / "az"
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return program

    def write(self, program: Path, script: str) -> None:
        program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    async def test_it_is_the_default(self, azure: SimulatedAzure, cli: Path) -> None:
        add(azure)
        self.write(cli, f'[ "$*" = "account show --query id --output tsv" ] && echo {SUB.upper()}')
        it = await deployed_at(Place(GROUP), {"STOPGAP_ARM_ENDPOINT": azure.url})
        assert it.place == Place(GROUP, SUB)

    @pytest.mark.parametrize(
        ("script", "fact"),
        [
            ("echo 'Please run az login' >&2; exit 1", "az account show: 'Please run az login'"),
            ("echo shop", "expected a GUID"),
        ],
    )
    async def test_one_that_does_not_know(
        self, environment: Environment, cli: Path, script: str, fact: str
    ) -> None:
        self.write(cli, script)
        with pytest.raises(NotFound) as refusal:
            await deployed_at(Place(GROUP), environment)
        assert refusal.value.finding.blind
        assert fact in refusal.value.finding.fact
        assert "--deployed-in" in (refusal.value.finding.mend or "")

    async def test_one_that_hangs(
        self, environment: Environment, cli: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deployed, "CLI_SECONDS", 0.1)
        self.write(cli, "exec sleep 60")
        with pytest.raises(NotFound, match=r"no answer within 0\.1 s"):
            await deployed_at(Place(GROUP), environment)

    async def test_where_there_is_none(
        self, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(NotFound, match="the Azure CLI is not here"):
            await deployed_at(Place(GROUP), environment)
