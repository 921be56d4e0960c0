"""What a probe's way is found to be. That it is gone in earnest, `tests/e2e/test_probes.py` shows."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from copy import deepcopy, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.azure.permissions import WATCH
from local.azure.server import SimulatedAzure
from local.doctor import arm, checks, command, delivery, probe
from local.doctor.deployed import Deployed, Place
from local.doctor.findings import Finding, Verdict, not_checked
from local.doctor.installation import Asked, Installation, reached
from local.doctor.needs import KINDS, PROBE
from local.doctor.probe import read_arrival
from local.doctor.probe_findings import Wait, judged, likely
from shared import bootstrap
from shared.adapters.tables import TableLedger
from shared.domain.malformed import Malformed
from shared.domain.probes import EVENT_TYPE, Probe, read_probe, subject_prefix
from shared.domain.signals import Event
from shared.ports import Arrival, Unavailable
from shared.settings import Settings
from shared.web.coverage import probe_view
from tests.contracts.canned import Canned, said
from tests.contracts.fleet import NOON
from tests.eventually import eventually
from tests.local.azure.receiver import Receiver
from tests.local.doctor.conftest import SUB, Environment, Examine, told
from tests.local.doctor.test_doctor_delivery import ROW, SITE, TOPIC

TOKEN = "7f3a"
ARRIVED = Arrival(Probe(SUB, TOKEN, NOON), NOON + timedelta(seconds=2))
OTHER = replace(ARRIVED, probe=replace(ARRIVED.probe, token="before"))


def deployed(address: str = "https://func-1.azurewebsites.net") -> Deployed:
    return Deployed(
        id=SITE,
        name="func-1",
        place=Place("rg-stopgap-dev", SUB),
        location="westeurope",
        address=address,
        settings={},
        key=None,
        findings=(),
    )


def row(**properties: object) -> dict[str, Any]:
    changed = deepcopy(ROW)
    changed["properties"] |= properties
    return changed


PROBES_ALONE = {"includedEventTypes": [EVENT_TYPE], "subjectBeginsWith": subject_prefix(SUB)}


class TestJudged:
    def test_one_that_arrived(self) -> None:
        found = judged(Wait(seconds=2.345, arrival=ARRIVED), "in the ledger", TOKEN, "")
        assert found.verdict is Verdict.OK
        recorded = "stopgap-probe-7f3a, recorded at 2026-11-21T12:00:02Z"
        assert (
            found.fact == f"an event arrived: {recorded}, seen 2.3 s after it was asked for (in the ledger)"
        )

    @pytest.mark.parametrize(
        ("arrival", "seen"),
        [
            (None, "none ever arrived"),
            (OTHER, "the latest that arrived is stopgap-probe-before, recorded at 2026-11-21T12:00:02Z"),
        ],
    )
    def test_one_that_did_not(self, arrival: Arrival | None, seen: str) -> None:
        found = judged(
            Wait(seconds=120.4, arrival=arrival, before=arrival),
            "in the ledger",
            TOKEN,
            "the deployment is Succeeded",
        )
        assert found.verdict is Verdict.WRONG
        missed = "no event arrived: stopgap-probe-7f3a was not seen within 120 s (in the ledger)"
        assert found.fact == f"{missed}; the deployment is Succeeded; {seen}"
        assert "--wait" in (found.mend or "")

    def test_another_that_came_meanwhile_may_have_overtaken_it(self) -> None:
        later = replace(OTHER, probe=replace(OTHER.probe, at=NOON + timedelta(minutes=1)))
        for before in (None, ARRIVED):
            ended = Wait(seconds=5, arrival=later, before=before)
            found = judged(ended, "in the ledger", TOKEN, "the deployment is Succeeded")
            assert found.blind
            assert "; meanwhile another did, stopgap-probe-before, recorded at " in found.fact
        ended = Wait(seconds=5, arrival=OTHER, before=OTHER)
        assert judged(ended, "in the ledger", TOKEN, "").verdict is Verdict.WRONG

    def test_one_that_may_have_arrived_while_nobody_could_look(self) -> None:
        ended = Wait(seconds=3, arrival=None, fault=Unavailable("storage is away"))
        found = judged(ended, "in the ledger", TOKEN, "the deployment is Succeeded")
        assert found.blind
        assert found.fact.startswith("not known whether an event arrived: ")
        assert found.fact.endswith("; the last look: storage is away")


class TestLikely:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings.from_env({"AzureWebJobsStorage": "x", "STOPGAP_SUBSCRIPTIONS": SUB})

    def test_each_reason_has_its_command(self, settings: Settings) -> None:
        lost = row(deadLetterDestination=None)
        kept = row(
            deadLetterDestination=None,
            deadLetterWithResourceIdentity={
                "deadLetterDestination": {
                    "endpointType": "StorageBlob",
                    "properties": {"resourceId": "/x/storageAccounts/stdev", "blobContainerName": "dead"},
                }
            },
        )
        found = likely([(TOPIC, lost), (TOPIC, kept)], deployed(), settings)
        assert {finding.verdict for finding in found} == {Verdict.WARNING}
        mends = [finding.mend or "" for finding in found]
        assert len([mend for mend in mends if mend.startswith("az monitor metrics list --resource ")]) == 2
        (blobs,) = [mend for mend in mends if "storage blob list" in mend]
        assert "--account-name stdev --container-name dead" in blobs
        assert f"az webapp log tail --subscription {SUB}" in mends[1]

    def test_failures_are_where_the_settings_say(self, settings: Settings) -> None:
        app_id = "00000000-0000-4000-8000-0000000000aa"
        insights = f"InstrumentationKey={SUB};IngestionEndpoint=https://x/;ApplicationId={app_id}"
        found = likely([], deployed(), replace(settings, insights=insights))
        assert found[0].fact.startswith("perhaps there is no event subscription that lets it through")
        assert f"az monitor app-insights query --apps {app_id} " in (found[2].mend or "")


class TestHealth:
    def test_a_probe_is_read_as_it_is_shown(self) -> None:
        assert read_arrival(probe_view(ARRIVED), SUB) == ARRIVED
        assert read_arrival(probe_view(None), SUB) is None

    @given(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda each: st.lists(each) | st.dictionaries(st.text(), each),
        )
    )
    def test_whatever_is_told(self, anything: object) -> None:
        try:
            assert read_arrival(anything, SUB) is None
        except Malformed as fault:
            assert str(fault).startswith("health: expected token, at and recorded_at")

    def test_half_of_one_is_none(self) -> None:
        view = probe_view(ARRIVED) or {}
        for name in view:
            with pytest.raises(Malformed):
                read_arrival({**view, name: 7}, SUB)
            with pytest.raises(Malformed):
                read_arrival({key: value for key, value in view.items() if key != name}, SUB)


class TestEventSubscriptions:
    def test_the_sample_is_a_probe_to_the_app(self) -> None:
        fields = PROBE.sample(SUB).fields
        subject = fields["subject"].replace("\N{REPLACEMENT CHARACTER}", TOKEN)
        assert read_probe(Event(fields["type"], subject, NOON, {})) == ARRIVED.probe

    def test_one_for_probes_alone_is_no_hole_and_no_way_for_vms(self) -> None:
        alone = row(filter=PROBES_ALONE)
        alone["name"] = "stopgap-probe"
        (only,) = delivery.judged(KINDS[0], [(TOPIC, [alone])], SUB)
        assert only.verdict is Verdict.WRONG
        assert only.fact.startswith("no event subscription of topic vms leads to function vm_event")
        assert only.fact.endswith(" (stopgap-probe is for doctor's probes alone)")
        assert "event-subscription create" in (only.mend or "")
        (both,) = delivery.judged(KINDS[0], [(TOPIC, [alone, ROW])], SUB)
        assert both.fact.startswith("events reach the app, by stopgap of vms: ")

    def test_what_becomes_of_probes_that_are_not_taken_is_nobodys_loss(self) -> None:
        alone = row(filter=PROBES_ALONE, deadLetterDestination=None, retryPolicy={"maxDeliveryAttempts": 1})
        assert len(delivery.judged(KINDS[0], [(TOPIC, [ROW, alone])], SUB)) == 1

    @pytest.mark.parametrize(
        ("rows", "found"),
        [
            ([row(filter=PROBES_ALONE)], [("ok", "doctor's probes are let through, by stopgap")]),
            ([row()], [("ok", "doctor's probes are let through, by stopgap")]),
            (
                [row(filter=PROBES_ALONE, provisioningState="Failed")],
                [("wrong", "event subscription stopgap is Failed")],
            ),
            (
                [row(filter={**PROBES_ALONE, "subjectBeginsWith": "/subscriptions/x"})],
                [
                    (
                        "wrong",
                        "no event subscription of topic vms lets doctor's probes through to function vm_event",
                    )
                ],
            ),
            (
                [row(filter=PROBES_ALONE, destination={"endpointType": "EventHub"})],
                [
                    (
                        "wrong",
                        "no event subscription of topic vms lets doctor's probes through to function vm_event",
                    )
                ],
            ),
        ],
    )
    def test_the_way_of_a_probe(self, rows: list[dict[str, Any]], found: list[tuple[str, str]]) -> None:
        assert told(delivery.judged_for_probes([(TOPIC, rows)], SUB, SITE)) == found

    def test_what_it_says_to_make_lets_probes_through_and_nothing_else(self) -> None:
        (finding,) = delivery.judged_for_probes([(TOPIC, [])], SUB, None)
        words = (finding.mend or "").split()
        options = dict(zip(words[5::2], words[6::2], strict=True))
        made = row(
            filter={
                "includedEventTypes": [options["--included-event-types"]],
                "subjectBeginsWith": options["--subject-begins-with"],
            }
        )
        assert options["--name"] == "stopgap-probe"
        assert delivery._only_for_probes(made, SUB)
        assert delivery.judged_for_probes([], SUB, None) == [], "that there is no topic is told already"


type Tried = Callable[..., Coroutine[None, None, list[Finding]]]


class TestTrial:
    """Against a simulated Azure, with somebody who writes into the ledger as the app does."""

    @pytest.fixture(autouse=True)
    def no_pauses_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for where, name in ((probe, "LEDGER_PAUSE"), (probe, "HEALTH_PAUSE"), (arm, "REMOVAL_PAUSE")):
            monkeypatch.setattr(where, name, 0.01)

    @pytest.fixture
    async def ways(self, azure: SimulatedAzure, receiver: Receiver) -> None:
        await azure.subscribe(receiver.url, function_id=f"{SITE}/functions/vm_event")

    @pytest.fixture
    def tried(self, environment: Environment) -> Tried:
        async def trial(said: list[str] | None = None, **changes: Any) -> list[Finding]:  # noqa: ANN401 - of `Asked`
            asked = replace(Asked(deployed=deployed(), wait=timedelta(seconds=30)), **changes)
            heard = [] if said is None else said
            async with reached(Settings.from_env(environment), asked, bootstrap.now) as installation:
                return await probe.look(replace(installation, say=heard.append), SUB)

        return trial

    @asynccontextmanager
    async def app(self, environment: Environment, azure: SimulatedAzure) -> AsyncIterator[TableLedger]:
        """Records what the deployments' events would say."""
        asked = Asked(deployed=deployed())
        async with reached(Settings.from_env(environment), asked, bootstrap.now) as installation:
            ledger = installation.ledger
            assert isinstance(ledger, TableLedger)

            async def record() -> None:
                seen = set[str]()
                while True:
                    for key in set(azure.deployments.records) - seen:
                        seen.add(key)
                        found = read_probe(Event(EVENT_TYPE, key, bootstrap.now(), {}))
                        assert found
                        await ledger.keep_probe(Arrival(found, bootstrap.now()))
                    await asyncio.sleep(0.01)

            task = asyncio.create_task(record())
            yield ledger
            task.cancel()

    @pytest.mark.usefixtures("ways", "tables")
    async def test_it_is_waited_for_and_that_is_said(
        self, tried: Tried, environment: Environment, azure: SimulatedAzure
    ) -> None:
        waits = list[str]()
        async with self.app(environment, azure):
            proven, guests = await tried(waits)
        assert proven.verdict is Verdict.OK
        assert waits[0].startswith("stopgap-probe-")
        assert waits[0].endswith(" for 0 s of 30 s")
        assert guests == not_checked(probe.OF_GUESTS)
        assert azure.deployments.records == {}

    @pytest.mark.usefixtures("ways", "tables")
    async def test_a_doctor_that_is_interrupted_leaves_no_record(
        self, tried: Tried, azure: SimulatedAzure
    ) -> None:
        waits = list[str]()
        task = asyncio.create_task(tried(waits))

        async def waiting() -> bool:
            return bool(waits)

        await eventually(waiting)
        assert len(azure.deployments.records) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert azure.deployments.records == {}

    @pytest.mark.usefixtures("ways", "tables", "queues")
    async def test_it_makes_no_table(self, tried: Tried, tables: Any) -> None:  # noqa: ANN401 - the SDK's
        lost = await tried(wait=timedelta(seconds=0.05))
        assert lost[0].verdict is Verdict.WRONG
        assert [table async for table in tables.list_tables()] == []

    @pytest.mark.usefixtures("ways", "tables")
    async def test_what_topics_cannot_be_read_is_no_reason_not_to_try(
        self, tried: Tried, environment: Environment, azure: SimulatedAzure
    ) -> None:
        rights = [f"Microsoft.Resources/deployments/{verb}" for verb in ("read", "write", "delete")]
        azure.permit((*WATCH, *rights, "Microsoft.Resources/subscriptions/operationresults/read"))
        async with self.app(environment, azure):
            found = await tried()
        assert found[0].verdict is Verdict.OK

    async def test_where_nobody_can_tell_nothing_is_sent(
        self, tried: Tried, environment: Environment, azure: SimulatedAzure, service: Canned
    ) -> None:
        environment["AzureWebJobsStorage"] = (
            "AccountName=x;AccountKey=eA==;TableEndpoint=http://127.0.0.1:9/x;QueueEndpoint=http://127.0.0.1:9/x"
        )
        (storage,) = await tried()
        assert storage.verdict is Verdict.WRONG
        service.answer(said(200, json.dumps({"problems": [], "poison": {}})))
        (neither,) = await tried(app=service.url)
        assert neither.blind
        assert "expected `probes` of subscription" in neither.fact, "it is of an older version"
        assert azure.requests == []

    async def test_unless_asked_for_nothing_is_sent(self, look: Examine, azure: SimulatedAzure) -> None:
        assert told(await look("probe")) == [
            ("not checked", "--resource-group NAME makes Azure emit an event, to see whether it arrives")
        ]
        left_out = await look("probe", Asked(deployed=deployed(), probe=False))
        assert told(left_out) == [("not checked", "no event is provoked: --no-probe")]
        assert {request.method for request in azure.requests} == {"GET"}


async def test_it_may_wait_longer_than_other_checks(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(_: Installation, __: str) -> list[Finding]:
        await asyncio.sleep(0.2)
        return []

    monkeypatch.setattr(checks, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(checks, "PROBE_SECONDS", 0.0)
    check = next(each for each in checks.SUBSCRIPTION_CHECKS if each.name == "probe")
    monkeypatch.setattr(checks, "SUBSCRIPTION_CHECKS", (replace(check, look=slow),))
    assert await look("probe", Asked(wait=timedelta(seconds=30))) == []
    (late,) = await look("probe", Asked(wait=timedelta()))
    assert late.fact == "Does an event arrive? No answer within 0.05 s"


async def test_a_key_goes_to_no_other_app(
    environment: Environment, azure: SimulatedAzure, service: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOPGAP_ARM_ENDPOINT", azure.url)
    azure.add_function_app(
        SUB,
        "rg",
        "func-1",
        host_name=service.url.removeprefix("http://"),
        settings=environment,
        tags={"azd-service-name": "stopgap"},
        keys={"default": "sesame"},
    )
    keys = list[str | None]()
    for app in (None, f"{service.url}/elsewhere"):
        service.answer(said(503))
        asked = Asked(app=app, probe=False)
        lines = await command._find_and_examine("rg", SUB, asked)
        assert [line.finding.verdict for line in lines if line.check == "app"] == [Verdict.WRONG]
        keys.append(service.requests[-1].headers.get("x-functions-key"))
    assert keys == ["sesame", None]
