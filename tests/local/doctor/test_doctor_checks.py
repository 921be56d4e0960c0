"""How checks are made, and what is made of what they find."""

import asyncio
import json
from base64 import urlsafe_b64encode
from typing import cast

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError

from local.doctor import checks, credential
from local.doctor.checks import CHECKS, SUBSCRIPTION_CHECKS, examine
from local.doctor.credential import bearer
from local.doctor.findings import (
    EXIT_CODES,
    Finding,
    Line,
    Verdict,
    nobody,
    not_checked,
    ok,
    warning,
    worst,
    wrong,
)
from local.doctor.installation import Asked, Installation
from local.doctor.report import LOOKS, for_machines, for_people
from shared import bootstrap
from shared.settings import Settings
from tests.contracts.credentials import Nobody
from tests.local.doctor.conftest import SUB, Environment, Examine

OTHER = "00000000-0000-4000-8000-000000000002"


def jwt(claims: object) -> str:
    body = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{body}.signature"


class TestMaking:
    async def test_all_of_the_table_are_made_in_its_order(self, environment: Environment) -> None:
        environment["STOPGAP_SUBSCRIPTIONS"] = f"{SUB},{OTHER}"
        progress = list[list[str]]()
        lines = await examine(
            environment, Asked(), now=bootstrap.now, progress=lambda names: progress.append(list(names))
        )
        made = list(dict.fromkeys((line.check, line.subscription) for line in lines))
        whole = [(check.name, None) for check in CHECKS]
        each = [(check.name, of) for of in (SUB, OTHER) for check in SUBSCRIPTION_CHECKS]
        assert made == [("settings", None), *whole, *each]
        assert len(progress[1]) == len(whole) + len(each)
        assert progress[-1] == []

    async def test_one_subscription_may_be_enough(self, environment: Environment) -> None:
        environment["STOPGAP_SUBSCRIPTIONS"] = f"{SUB},{OTHER}"
        lines = await examine(environment, Asked(subscriptions=(OTHER,)), now=bootstrap.now)
        assert {line.subscription for line in lines} == {None, OTHER}

    async def test_one_that_is_not_watched_is_refused(self, environment: Environment) -> None:
        lines = await examine(environment, Asked(subscriptions=(OTHER,)), now=bootstrap.now)
        assert [line.check for line in lines] == ["settings", "all else"]
        assert f"--subscription {OTHER} is not in STOPGAP_SUBSCRIPTIONS ({SUB})" in lines[0].finding.fact
        assert worst(lines) is Verdict.NOT_CHECKED

    @pytest.mark.parametrize("fault", ["hangs", "fails"])
    async def test_none_stops_the_others(
        self, look: Examine, monkeypatch: pytest.MonkeyPatch, fault: str
    ) -> None:
        async def stuck(_: Installation) -> list[Finding]:
            if fault == "hangs":
                await asyncio.Event().wait()
            raise ZeroDivisionError("oops")

        monkeypatch.setattr(checks, "CHECK_SECONDS", 0.2)
        broken = checks.Check("broken", "Is it?", stuck, "try again")
        monkeypatch.setattr(checks, "CHECKS", (broken, *CHECKS))
        (finding,) = await look("broken")
        assert finding == (
            not_checked("Is it? No answer within 0.2 s", "try again")
            if fault == "hangs"
            else not_checked(
                "doctor itself failed: ZeroDivisionError: oops", "please report it, with this line"
            )
        )
        assert [each.verdict for each in await look("poison")] == [Verdict.OK]


class Signed(Nobody):
    """Somebody who has a token, or takes for ever to get one."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        if self._token is None:
            await asyncio.Event().wait()
        return AccessToken(str(self._token), 0)


class TestCredential:
    async def found(self, signed: Nobody) -> Finding:
        settings = Settings.from_env({"AzureWebJobsStorage": "x", "STOPGAP_SUBSCRIPTIONS": SUB})

        class Half:
            pass

        half = Half()
        half.settings, half.credential = settings, signed  # type: ignore[attr-defined]
        (finding,) = await credential.look(cast("Installation", half))
        return finding

    async def test_who_is_signed_in_is_told(self) -> None:
        assert await self.found(Signed(jwt({"upn": "ada@example.com"}))) == ok("signed in as ada@example.com")
        assert (await self.found(Signed("opaque"))).verdict is Verdict.OK

    async def test_somebody_who_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(credential, "TOKEN_SECONDS", 0.05)
        assert await self.found(Signed(None)) == not_checked("no credential within 0.05 s", "az login")

    @pytest.mark.parametrize(
        ("token", "who"),
        [
            (jwt({"oid": "7", "appid": "app", "upn": "ada@example.com"}), "ada@example.com"),
            (jwt({"oid": "7", "appid": "app"}), "app"),
            (jwt({"oid": "7"}), "7"),
            (jwt({"upn": 7, "oid": ""}), None),
            (jwt([]), None),
            ("", None),
            ("a.b", None),
            ("a.!!!.c", None),
            ("a.gA.c", None),
        ],
    )
    def test_who_has_a_token(self, token: str, who: str | None) -> None:
        assert bearer(token) == who

    @pytest.mark.parametrize(
        ("error", "why"),
        [
            (
                CredentialUnavailableError(
                    "DefaultAzureCredential failed.\nAttempted credentials:\n"
                    "\tEnvironmentCredential: not set.\n\tAzureCliCredential: Please run 'az login'.\n"
                ),
                "Please run 'az login'.",
            ),
            (ClientAuthenticationError("The secret\nhas expired."), "The secret"),
            (ValueError(), "ValueError"),
        ],
    )
    def test_why_nobody_is_signed_in(self, error: Exception, why: str) -> None:
        assert nobody(error) == not_checked(f"nobody is signed in: {why}", "az login")


def line(finding: Finding, subscription: str | None = None) -> Line:
    return Line("storage", subscription, finding)


class TestReport:
    @pytest.mark.parametrize(
        ("findings", "code"),
        [
            ([ok("x")], 0),
            ([ok("x"), warning("x"), not_checked("nobody asked")], 0),
            ([not_checked("x", "az login"), warning("x")], 2),
            ([not_checked("x", "az login"), wrong("x", "y")], 1),
        ],
    )
    def test_exit_codes(self, findings: list[Finding], code: int) -> None:
        assert EXIT_CODES[worst([line(finding) for finding in findings])] == code

    def test_every_verdict_has_its_look_and_exit_code(self) -> None:
        assert set(LOOKS) == set(EXIT_CODES) == set(Verdict)

    def test_for_people(self) -> None:
        lines = [
            line(ok("table ledger can be read")),
            line(wrong("it does not\nanswer \x1b[2J\u202e", "start it")),
            Line("events", SUB, not_checked("nobody asked")),
        ]
        assert for_people(lines, "Stopgap").plain.splitlines() == [
            "Stopgap",
            "",
            "✓ ok           storage  table ledger can be read",
            "✗ wrong        storage  it does not�answer �[2J�",
            "                        mend: start it",
            "",
            f"subscription {SUB}",
            "· not checked  events   nobody asked",
            "",
            "1 wrong, 1 ok, 1 not checked",
        ]

    def test_for_machines(self) -> None:
        told = json.loads(for_machines([line(wrong("schlimm “ß”", "start it"), SUB)], "Stopgap"))
        assert told == {
            "verdict": "wrong",
            "exit_code": 1,
            "about": "Stopgap",
            "findings": [
                {
                    "check": "storage",
                    "subscription": SUB,
                    "verdict": "wrong",
                    "fact": "schlimm “ß”",
                    "mend": "start it",
                }
            ],
        }
