from collections.abc import Sequence

import pytest
from aiohttp import web

from local.azure.faults import Fault
from local.azure.permissions import DEALLOCATE as MAY_DEALLOCATE
from local.azure.permissions import WATCH
from local.azure.server import SimulatedAzure
from local.doctor import arm
from local.doctor.findings import Verdict
from local.doctor.permissions import Grant, beyond, missing, needed, read_grants
from shared.adapters.compute import DEALLOCATE, DEALLOCATE_INSTANCE, READ, READ_INSTANCE, READ_SETS
from shared.domain.malformed import Malformed
from tests.contracts.canned import Answer, Canned, break_off, drop, hang, said
from tests.local.doctor.conftest import SUB, Environment, Examine, told

OTHER = "00000000-0000-4000-8000-000000000002"
GRANTED = ("ok", "all that Stopgap needs is granted")
WHOSE = ("ok", "these are the rights of whoever runs doctor; the app's identity may have others")


class TestRules:
    @pytest.mark.parametrize(
        ("actions", "not_actions", "granted"),
        [
            ((), (), False),
            (("*",), (), True),
            (("*/read",), (), False),
            (("*/action",), (), True),
            (("*/ACTION",), (), True),
            (("Microsoft.Compute/*",), (), True),
            (("microsoft.compute/VIRTUALMACHINES/deallocate/*",), (), True),
            (("Microsoft.Compute/*/deallocate/action",), (), True),
            (("Microsoft.Compute/virtualMachines/deallocate/action",), (), True),
            (("Microsoft.Compute/virtualMachines/start/action",), (), False),
            (("Microsoft.Compute/virtualMachines",), (), False),
            (("Microsoft.Compute.virtualMachines.deallocate.action",), (), False),
            (("Microsoft.Compute/virtualMachines/deallocate/action?",), (), False),
            (("*",), ("Microsoft.Compute/virtualMachines/deallocate/action",), False),
            (("*",), ("*/delete", "microsoft.compute/*/DEALLOCATE/action"), False),
            (("*",), ("*/write", "*/delete"), True),
            (("Microsoft.Compute/virtualMachines/deallocate/action",), ("*",), False),
        ],
    )
    def test_patterns(self, actions: Sequence[str], not_actions: Sequence[str], *, granted: bool) -> None:
        assert Grant(tuple(actions), tuple(not_actions)).allows(DEALLOCATE) is granted

    def test_one_assignment_takes_nothing_from_another(self) -> None:
        grants = [Grant(("*",), (READ,)), Grant((READ,))]
        assert missing(grants, [READ, DEALLOCATE]) == []
        assert missing(grants[:1], [READ, DEALLOCATE]) == [READ]
        assert missing([], [READ]) == [READ]

    @pytest.mark.parametrize(
        ("actions", "not_actions", "more"),
        [
            ((READ.upper(), READ_INSTANCE), (), []),
            (("*/read", "Microsoft.Compute/*/READ"), (), []),
            ((READ, DEALLOCATE, "*/write"), (), [DEALLOCATE, "*/write"]),
            (("*",), ("*/delete",), ["*"]),
            (("*/write", "Microsoft.Compute/*"), ("*/write",), ["Microsoft.Compute/*"]),
            (("Microsoft.Compute/*/delete",), ("Microsoft.Compute/*",), []),
        ],
    )
    def test_more_is_what_permits_changes(
        self, actions: Sequence[str], not_actions: Sequence[str], more: Sequence[str]
    ) -> None:
        assert beyond([Grant(tuple(actions), tuple(not_actions))], needed(deallocate=False)) == more

    def test_deallocating_is_needed_only_where_it_is_allowed(self) -> None:
        assert needed(deallocate=False) == (READ, READ_INSTANCE, READ_SETS)
        assert needed(deallocate=True) == (READ, READ_INSTANCE, READ_SETS, DEALLOCATE, DEALLOCATE_INSTANCE)

    def test_what_is_not_there_grants_nothing(self) -> None:
        assert read_grants([{}, {"actions": None, "notActions": None}]) == [Grant(()), Grant(())]

    @pytest.mark.parametrize(
        "row", [{"actions": "*"}, {"actions": [1]}, {"actions": [], "notActions": {"a": 1}}]
    )
    def test_what_is_no_list_of_patterns_is_refused(self, row: dict[str, object]) -> None:
        with pytest.raises(Malformed, match="ctions` to be a list of patterns"):
            read_grants([row])


class TestLooks:
    async def test_well(self, look: Examine, azure: SimulatedAzure) -> None:
        azure.permit(WATCH)
        assert told(await look("permissions")) == [GRANTED, WHOSE]
        azure.permit([*WATCH, *MAY_DEALLOCATE])
        assert told(await look("permissions", STOPGAP_ALLOW_DEALLOCATE="true")) == [GRANTED, WHOSE]

    async def test_what_is_missing_is_named_with_the_role_to_make(
        self, look: Examine, azure: SimulatedAzure
    ) -> None:
        azure.permit([READ])
        finding, whose = await look("permissions", STOPGAP_ALLOW_DEALLOCATE="true")
        assert told([finding, whose]) == [
            ("wrong", f"missing: {READ_INSTANCE}, {READ_SETS}, {DEALLOCATE}, {DEALLOCATE_INSTANCE}"),
            WHOSE,
        ]
        assert finding.mend
        assert (
            f'"Actions": ["{READ}", "{READ_INSTANCE}", "{READ_SETS}", "{DEALLOCATE}", "{DEALLOCATE_INSTANCE}"]'
            in finding.mend
        )
        assert f'--role "Stopgap deallocate" --scope /subscriptions/{SUB}' in finding.mend

    async def test_more_than_is_needed_is_a_warning(self, look: Examine, azure: SimulatedAzure) -> None:
        azure.permit(["*", *MAY_DEALLOCATE], ["*/delete"])
        granted, finding, whose = await look("permissions")
        assert told([granted, whose]) == [GRANTED, WHOSE]
        assert finding.verdict is Verdict.WARNING
        assert finding.fact.endswith(f"granted: *, {DEALLOCATE}, {DEALLOCATE_INSTANCE}")

    async def test_each_subscription_is_looked_at(self, look: Examine, azure: SimulatedAzure) -> None:
        azure.permit(WATCH)
        found = await look("permissions", STOPGAP_SUBSCRIPTIONS=f"{SUB},{OTHER}")
        assert [finding.verdict.value for finding in found] == ["ok", "ok", "wrong"]
        assert "no such subscription" in found[2].fact
        assert "az account list" in (found[2].mend or "")

    @pytest.mark.parametrize(
        ("fault", "verdict", "fact", "mend"),
        [
            (Fault(kind="403", code="AuthorizationFailed"), "not checked", "HTTP 403", "--role Reader"),
            (Fault(kind="404", code="NotFound"), "wrong", "HTTP 404", "is the simulated Azure up?"),
            (Fault(kind="429", retry_after=17), "not checked", "HTTP 429", "try again in 17 s"),
            (Fault(kind="500", times=3), "wrong", "HTTP 500", "is the simulated Azure up?"),
            (Fault(kind="503", times=3), "wrong", "HTTP 503", "is the simulated Azure up?"),
        ],
    )
    async def test_each_refusal(
        self, look: Examine, azure: SimulatedAzure, fault: Fault, verdict: str, fact: str, mend: str
    ) -> None:
        fault.path = ".*/permissions"
        azure.inject(fault)
        (finding,) = await look("permissions")
        assert finding.verdict == verdict
        assert fact in finding.fact
        assert mend in (finding.mend or "")


@pytest.fixture
def canned(environment: Environment, service: Canned) -> Canned:
    """An ARM that answers what it is told to."""
    environment["STOPGAP_ARM_ENDPOINT"] = service.url
    return service


class TestOddAnswers:
    @pytest.mark.parametrize(
        ("answer", "fact"),
        [
            (said(200, "<html>Sign in</html>", content_type="text/html"), "expected JSON, got b'<html>"),
            (said(200, "[]"), "expected an object, got []"),
            (said(200, "{}"), "expected a page of objects in `value`"),
            (said(200, '{"value": [1]}'), "expected a page of objects in `value`"),
            (said(200, '{"value": [{"actions": "*"}]}'), "to be a list of patterns"),
            (said(200, b"\xff"), "expected JSON"),
            (said(302, "", {"Location": "http://127.0.0.2/"}), "HTTP 302"),
            (drop, "no answer"),
            (break_off, "no answer"),
        ],
    )
    async def test_each_is_one_clear_line(
        self, look: Examine, canned: Canned, answer: Answer, fact: str
    ) -> None:
        canned.answer(answer)
        (finding,) = await look("permissions")
        assert finding.verdict is Verdict.WRONG
        assert fact in finding.fact
        assert "\n" not in finding.fact
        assert "local azure --port" in (finding.mend or "")

    async def test_one_that_hangs(
        self, look: Examine, canned: Canned, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(arm, "REQUEST_SECONDS", 0.05)
        monkeypatch.setattr("local.doctor.clock.REQUEST_SECONDS", 0.05)
        canned.answer(hang)
        (finding,) = await look("permissions")
        assert finding.verdict is Verdict.WRONG
        assert finding.fact.endswith("/permissions: no answer: the time was up")

    async def test_one_that_is_not_there(self, look: Examine) -> None:
        (finding,) = await look("permissions", STOPGAP_ARM_ENDPOINT="http://127.0.0.1:9")
        assert finding.verdict is Verdict.WRONG
        assert "Cannot connect" in finding.fact

    async def test_another_tenants_token(self, look: Examine, canned: Canned) -> None:
        canned.answer(
            said(401, '{"error": {"code": "InvalidAuthenticationTokenTenant", "message": "Wrong issuer."}}')
        )
        (finding,) = await look("permissions")
        assert finding.blind
        assert "az login --tenant" in (finding.mend or "")

    async def test_pages_are_joined(self, look: Examine, canned: Canned) -> None:
        def page(action: str, link: str = "") -> Answer:
            return said(200, f'{{"value": [{{"actions": ["{action}"]}}], "nextLink": "{link}"}}')

        by_path = {
            "permissions": page(READ, f"{canned.url}/more?token=1"),
            "more": page(f'{READ_INSTANCE}", "{READ_SETS}'),
        }

        async def answer(request: web.Request) -> web.StreamResponse:
            return await by_path.get(request.path.rpartition("/")[2], said(200, '{"value": []}'))(request)

        canned.answer(answer)
        assert told(await look("permissions")) == [GRANTED, WHOSE]

    @pytest.mark.parametrize(
        "link", ["http://127.0.0.2/more", "https://127.0.0.1/more", "/more", "http://[x"]
    )
    async def test_a_link_that_leads_elsewhere_is_not_followed(
        self, look: Examine, canned: Canned, link: str
    ) -> None:
        canned.answer(said(200, f'{{"value": [], "nextLink": "{link}"}}'))
        (finding,) = await look("permissions")
        assert finding.verdict is Verdict.WRONG
        assert f"expected nextLink to be on {canned.url}, got '{link}'" in finding.fact

    async def test_pages_without_end_end(
        self, look: Examine, canned: Canned, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(arm, "PAGES", 3)
        canned.answer(said(200, f'{{"value": [], "nextLink": "{canned.url}/more"}}'))
        (finding,) = await look("permissions")
        assert "expected at most 3 pages, got another" in finding.fact
