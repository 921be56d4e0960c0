"""Edges of the rules: moments that are equal, words that are missing, order that must not matter."""

import time
from copy import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from shared.domain.decision import Send
from shared.domain.exemptions import parse_exemption
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.noticing import FIRST_RESEND
from shared.domain.policy import Mode, Policy, terms_for
from shared.domain.records import NoticeKind
from shared.domain.settling import HEARSAY
from shared.domain.signals import Actor, Event, Source, Verb, read_event, read_scale_set_event
from shared.domain.states import PowerState, read_statuses
from tests.domain.life import GRACE, NOON, VM, Life, annotation, event, look, minutes, next_look
from tests.domain.test_signals import ACTION, ID, read, sample

TICK = timedelta(microseconds=1)


class TestMoments:
    def test_a_look_of_the_same_moment_is_not_an_older_one(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("deallocated"))
        assert life.now.power_state is PowerState.DEALLOCATED

    @pytest.mark.parametrize(("beyond", "explains"), [(timedelta(), True), (TICK, False)])
    def test_how_old_a_signal_may_be_to_explain_a_new_state(self, beyond: timedelta, explains: bool) -> None:
        life = Life()
        life.see(look("running", minutes(60)))
        life.see(look("stopped", minutes(70)), event("stopped", minutes(60) - HEARSAY - beyond))
        assert (life.now.cause is not None) is explains

    @pytest.mark.parametrize(("beyond", "explains"), [(timedelta(), True), (TICK, False)])
    def test_how_late_a_signal_may_be_to_explain_a_state(self, beyond: timedelta, explains: bool) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(30)), event("stopped", NOON + HEARSAY + beyond))
        assert (life.now.cause is not None) is explains

    @pytest.mark.parametrize(("beyond", "heard"), [(timedelta(), True), (TICK, False)])
    def test_how_old_word_of_another_state_may_be(self, beyond: timedelta, heard: bool) -> None:
        life = Life()
        life.see(look("running", minutes(60)))
        life.see(look("running", minutes(61)), annotation("stopped", minutes(61) - HEARSAY - beyond))
        assert (life.now.heard is not None) is heard

    @pytest.mark.parametrize(("beyond", "heard"), [(timedelta(), True), (TICK, False)])
    def test_how_long_word_of_another_state_is_kept(self, beyond: timedelta, heard: bool) -> None:
        life = Life()
        life.see(look("running"), annotation("stopped", NOON))
        life.see(look("running", NOON + HEARSAY + beyond))
        assert (life.now.heard is not None) is heard

    def test_word_of_the_very_moment_that_a_state_began_is_older_than_it(self) -> None:
        life = Life()
        life.see(look("running", minutes(1)), event("running", NOON))
        life.see(look("running", minutes(2)), annotation("stopped", NOON))
        assert life.now.heard is None

    def test_word_of_a_state_whose_event_comes_after_its_first_sight_is_not_waited_for(self) -> None:
        life = Life()
        life.see(look("stopped", provisioning="updating"))
        life.see(look("stopped", minutes(0.6), provisioning="updating"), event("stopped", minutes(0.5)))
        life.see(look("stopped", minutes(1)))
        assert life.now.heard is None
        assert life.now.since == NOON
        assert life.now.cause


class TestOrder:
    def test_what_is_heard_before_the_vm_is_at_rest_may_come_in_any_order(self) -> None:
        told = [
            annotation("stopped", minutes(0.1)),
            event("stopped", minutes(0.4), caller="caller-2"),
            event("stopped", minutes(0.5)),
        ]
        ends = []
        for order in permutations(told):
            life = Life()
            life.see(look("running"))
            for signal in order:
                life.see(look("stopping", minutes(1)), signal)
            life.see(look("stopped", minutes(2)))
            ends.append(life.now)
        assert all(end == ends[0] for end in ends)
        assert ends[0].cause
        assert (ends[0].cause.source, ends[0].cause.caller) == (Source.EVENT, "caller-2")

    def test_of_two_states_told_of_the_later_word_counts(self) -> None:
        told = [annotation("stopped", minutes(0.2)), annotation("deallocated", minutes(0.4))]
        for order in permutations(told):
            life = Life()
            life.see(look("running"))
            for signal in order:
                life.see(look("stopping", minutes(1)), signal)
            assert life.now.heard
            assert life.now.heard.leads_to is PowerState.DEALLOCATED

    def test_of_two_states_told_of_for_the_same_moment_it_is_always_the_same_one(self) -> None:
        heard = set()
        for order in permutations(
            [annotation("stopped", minutes(0.2)), annotation("deallocated", minutes(0.2))]
        ):
            life = Life()
            life.see(look("running"))
            for signal in order:
                life.see(look("stopping", minutes(1)), signal)
            heard.add(life.now.heard)
        assert len(heard) == 1

    def test_an_event_and_an_annotation_of_the_same_moment(self) -> None:
        for order in permutations([annotation("stopped", NOON), event("stopped", NOON)]):
            life = Life()
            life.see(look("running", minutes(-1)))
            for signal in order:
                life.see(look("stopped", minutes(1)), signal)
            assert (life.now.since, life.now.since_source) == (NOON, Source.EVENT)

    def test_two_callers_at_the_same_moment(self) -> None:
        causes = set()
        for order in permutations(
            [event("stopped", NOON, caller="one"), event("stopped", NOON, caller="two")]
        ):
            life = Life()
            for signal in order:
                life.see(look("stopped", minutes(1)), signal)
            causes.add(life.now.cause)
        assert len(causes) == 1


class TestRestarts:
    def test_seen_at_looks_of_their_own_beginning_and_end_are_one(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("running", minutes(30.5)), annotation("running", minutes(30), verb=Verb.RESTART))
        life.see(look("running", minutes(31.5)), event("running", minutes(31), verb=Verb.RESTART))
        assert life.kinds() == ["discovered", "restarted"]
        assert life.now.since == minutes(30)

    @pytest.mark.parametrize(("beyond", "kinds"), [(timedelta(), 2), (TICK, 3)])
    def test_how_far_apart_two_are_two(self, beyond: timedelta, kinds: int) -> None:
        life = Life()
        life.see(look("running"))
        for at in (minutes(30), minutes(30) + HEARSAY + beyond):
            life.see(look("running", at + timedelta(minutes=1)), event("running", at, verb=Verb.RESTART))
        assert len(life.kinds()) == kinds

    def test_a_start_that_changed_nothing_is_no_restart(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("running", minutes(31)), event("running", minutes(30)))
        assert life.kinds() == ["discovered"]
        assert life.now.since == NOON

    def test_a_restart_of_the_moment_that_the_state_began_is_not_one_more(self) -> None:
        life = Life()
        life.see(look("running", minutes(1)), event("running", NOON))
        life.see(look("running", minutes(2)), event("running", NOON, verb=Verb.RESTART))
        assert life.kinds() == ["discovered"]

    def test_an_old_start_does_not_explain_a_later_restart(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("running", minutes(31)), event("running", minutes(30), verb=Verb.RESTART))
        life.see(look("running", minutes(32)), event("running", minutes(-5)))
        assert life.now.since == minutes(30)

    def test_its_transition_is_whole(self) -> None:
        life = Life()
        life.see(look("running"))
        told = event("running", minutes(30), verb=Verb.RESTART)
        decision = life.see(look("running", minutes(31)), told)
        transition = decision.transition
        assert transition
        assert (transition.vm, transition.at, transition.at_source) == (VM, minutes(30), Source.EVENT)
        assert (transition.before, transition.after) == (PowerState.RUNNING, PowerState.RUNNING)
        assert transition.cause == told.cause


class TestNamesakes:
    def test_one_that_is_not_at_rest_yet(self) -> None:
        life = Life()
        life.see(look("stopped"), event("stopped", NOON))
        life.see(look("stopped", minutes(1)), annotation("running", minutes(1)))
        life.see(look("unknown", minutes(10), provisioning="creating", uid="uid-2"))
        assert life.now.power_state is PowerState.UNKNOWN
        assert life.now.heard is None, "it was word of the other"
        deleted = life.transitions[minutes(10)]
        assert (deleted.before, deleted.after) == (PowerState.STOPPED, PowerState.DELETED)
        assert life.now.settled
        assert life.now.settled.not_before == minutes(1)
        (episode,) = life.episodes.values()
        assert (episode.ended_at, episode.ended_as, episode.ended_by) == (
            minutes(10),
            PowerState.DELETED,
            None,
        )

    def test_its_episode_does_not_begin_before_that_of_the_other_ends(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(10), uid="uid-2", provisioning="updating"))
        life.see(look("stopped", minutes(11), uid="uid-2"), event("stopped", minutes(9.5)))
        old, new = (episode for _, episode in sorted(life.episodes.items()))
        assert old.ended_at == new.started_at == minutes(10)

    def test_whoever_stopped_the_new_one_did_not_delete_the_old_one(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(10), uid="uid-2"), event("stopped", minutes(9)))
        assert life.episodes[NOON].ended_by is None
        assert life.episodes[minutes(10)].cause

    def test_a_look_that_does_not_tell_the_uid_does_not_forget_it(self) -> None:
        life = Life()
        life.see(look("running", uid="uid-1"))
        life.see(look("running", minutes(1), uid=None))
        life.see(look("running", minutes(2), uid="uid-2"))
        assert life.kinds() == ["discovered", "reappeared"]


class TestWhatIsWritten:
    def test_an_episode_is_whole(self) -> None:
        life = Life()
        told = event("stopped", minutes(-1))
        life.see(look("stopped"), told)
        (episode,) = life.episodes.values()
        assert (episode.vm, episode.seen_at, episode.started_at) == (VM, NOON, minutes(-1))
        assert (episode.started_source, episode.cause, episode.ended_at) == (Source.EVENT, told.cause, None)

    def test_an_episode_is_written_only_when_there_is_more_to_tell_of_it(self) -> None:
        life = Life()
        life.see(look("stopped"))
        decision = life.see(look("stopped", minutes(1), provisioning="updating"))
        assert decision.changed
        assert decision.episodes == ()
        (ended,) = life.see(look("running", minutes(2))).episodes
        assert (ended.vm, ended.seen_at, ended.ended_at) == (VM, NOON, minutes(2))

    def test_a_deallocation_is_not_a_hibernation(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("deallocated", minutes(1)))
        assert life.kinds() == ["discovered", "deallocated"]

    def test_what_is_waited_for_while_exempt_and_not_at_rest(self) -> None:
        life, tags = Life(), {"stopgap:exempt": "2026-11-21T13:00:00Z"}
        life.see(look("stopped", tags=tags))
        decision = life.see(look("stopped", minutes(1), provisioning="updating", tags=tags))
        assert next_look(decision) == minutes(1.25)


class TestNotices:
    def test_a_change_of_something_else_does_not_send_again(self) -> None:
        life = Life(deliver=False)
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        decision = life.see(look("stopped", minutes(15.1), provisioning="updating"))
        assert decision.changed
        assert not any(isinstance(action, Send) for action in decision.actions)

    def test_a_notice_tells_when_it_was_made(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)), now=minutes(16))
        (notice,) = life.sent
        assert (notice.made_at, notice.try_at) == (minutes(16), minutes(16) + FIRST_RESEND)
        assert notice.kind is NoticeKind.LEFT_STOPPED

    def test_observe_drops_what_was_not_sent_yet(self) -> None:
        life = Life(deliver=False)
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        life.see(look("stopped", minutes(20), tags={"stopgap:mode": "observe"}))
        assert life.now.outbox == ()


class TestReading:
    def test_only_a_view_that_says_so_is_hibernated(self) -> None:
        assert not read_statuses([{"code": "PowerState/deallocated"}]).hibernated

    @pytest.mark.parametrize(("statuses", "got"), [("x", "'x'"), (["x"], "'x'"), ([{"a": 1}], "{'a': 1}")])
    def test_a_fault_quotes_what_was_found(self, statuses: object, got: str) -> None:
        with pytest.raises(Malformed) as fault:
            read_statuses(statuses)
        assert str(fault.value).endswith(f", got {got}")

    def test_success_is_said_for_succeeded(self) -> None:
        assert read_statuses([{"code": "ProvisioningState/Success"}]).provisioning_state == "succeeded"

    def test_remarks_quote_what_was_found(self) -> None:
        terms = terms_for(Policy(), {"stopgap:mode": "destroy"})
        assert terms.mode is Mode.NOTIFY
        assert "got 'destroy'" in terms.remarks[0]

    @pytest.mark.parametrize("value", ["TRUE", "Yes", "", "2027-01-31"])
    def test_an_exemption_without_a_reason_names_the_tag(self, value: str) -> None:
        exemption = parse_exemption(value)
        assert exemption
        assert exemption.reason == "the owner's tag stopgap:exempt"

    def test_a_time_without_a_zone_is_utc_wherever_we_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "America/New_York")
            time.tzset()
            exemption = parse_exemption("2027-01-31T12:00")
            body = sample("eventgrid-arn-health-ResourceAnnotated.eventgridschema.json")
            properties = body["data"]["resourceInfo"]["properties"]
            properties |= {"targetResourceId": ID, "occurredTime": "2027-01-31T12:00:00"}
            signal = read(body)
        time.tzset()
        noon = datetime(2027, 1, 31, 12, tzinfo=UTC)
        assert exemption
        assert signal
        assert (exemption.until, signal.cause.at) == (noon, noon)
        assert exemption.until
        assert exemption.until.tzinfo is signal.cause.at.tzinfo is UTC


class TestEvents:
    def test_what_a_resource_event_tells(self) -> None:
        signal = read(ACTION)
        assert signal
        assert signal.cause.operation == "Microsoft.Compute/virtualMachines/powerOff/action"
        assert signal.cause.correlation_id == "{ID}"

    def test_the_operation_may_be_told_by_the_authorization_alone(self) -> None:
        data = {name: value for name, value in ACTION["data"].items() if name != "operationName"}
        data["authorization"] = {"action": "Microsoft.Compute/virtualMachines/deallocate/action"}
        signal = read(ACTION | {"data": data})
        assert signal
        assert signal.cause.verb is Verb.DEALLOCATE

    def test_what_a_health_event_tells(self) -> None:
        body = sample("eventgrid-arn-health-ResourceAnnotated.eventgridschema.json")
        properties = body["data"]["resourceInfo"]["properties"]
        del properties["targetResourceId"], properties["occurredTime"], properties["context"]
        signal = read(body | {"subject": ID, "eventTime": "2026-11-21T12:00:00Z"})
        assert signal
        assert signal.vm == VmId.of(ID.split("/")[2], "rg", "vm")
        assert (signal.cause.operation, signal.cause.at) == ("VirtualMachineDeallocationInitiated", NOON)
        assert signal.cause.actor is Actor.CONTROL_PLANE

    def test_availability_tells_the_new_state(self) -> None:
        body = sample("eventgrid-arn-health-AvailabilityStatusChanged.cloudevents10.json")
        body["data"]["resourceInfo"]["properties"]["targetResourceId"] = ID
        signal = read(body)
        assert signal
        assert signal.cause.operation == "AvailabilityStatusChanged to Available"
        assert (signal.cause.verb, signal.cause.actor) == (None, Actor.UNKNOWN)

    def test_an_operation_of_another_provider_on_a_vm_is_a_hint(self) -> None:
        data = ACTION["data"] | {"operationName": "Microsoft.Insights/diagnosticSettings/write"}
        signal = read(ACTION | {"data": data})
        assert signal
        assert (signal.cause.verb, signal.leads_to) == (None, None)

    def test_a_name_is_not_kept_unasked(self) -> None:
        data = ACTION["data"] | {"claims": {"name": "Ada Lovelace"}}
        signal = read_event(Event(ACTION["eventType"], ID, NOON, data))
        assert signal
        assert signal.cause.caller_name is None

    def test_only_a_resource_event_is_about_a_whole_scale_set(self) -> None:
        whole = ID.replace("virtualMachines", "virtualMachineScaleSets")
        kind = "Microsoft.Resources.ResourceActionSuccess"
        scale_set = read_scale_set_event(Event(kind.upper(), whole, NOON, {}))
        assert scale_set
        assert scale_set.name == "vm"
        assert read_scale_set_event(Event(kind, ID, NOON, {})) is None
        for other in ("Microsoft.Storage.BlobCreated", None, 7):
            assert read_scale_set_event(Event(other, whole, NOON, {})) is None

    def test_a_caller_without_a_name_has_none(self) -> None:
        signal = read(ACTION | {"data": ACTION["data"] | {"claims": {"appid": "x"}}}, keep_name=True)
        assert signal
        assert signal.cause.caller_name is None

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (
                {"eventType": 7},
                "event: expected an event type (`eventType` or `type`), got 7; is it an event?",
            ),
            ({"eventTime": None}, "event: expected a time (`eventTime` or `time`), got none"),
            ({"data": "x"}, "event: expected `data` to be an object, got 'x'"),
            ({"data": {"operationName": 5}}, "event: expected `data.operationName` to be a text, got 5"),
        ],
    )
    def test_a_fault_is_told_to_the_letter(self, change: dict[str, object], text: str) -> None:
        with pytest.raises(Malformed) as fault:
            read(ACTION | change)
        assert str(fault.value) == text

    @pytest.mark.parametrize(
        ("name", "change", "text"),
        [
            (
                "ResourceAnnotated.eventgridschema",
                {"annotationName": 5},
                "properties.annotationName` to be a text, got 5",
            ),
            (
                "AvailabilityStatusChanged.cloudevents10",
                {"availabilityState": None},
                "event: expected `data.resourceInfo.properties.availabilityState` to be a text, got None",
            ),
            ("ResourceAnnotated.eventgridschema", {"occurredTime": 5}, "to be a time of ISO 8601, got 5"),
            (
                "ResourceAnnotated.eventgridschema",
                None,
                "event: expected `properties` in `data` to be an object, got 'x'",
            ),
        ],
    )
    def test_a_fault_of_a_health_event_too(
        self, name: str, change: dict[str, object] | None, text: str
    ) -> None:
        body = sample(f"eventgrid-arn-health-{name}.json")
        info = body["data"]["resourceInfo"]
        if change is None:
            info["properties"] = "x"
        else:
            info["properties"] |= {"targetResourceId": ID} | change
        with pytest.raises(Malformed) as fault:
            read(body)
        assert text in str(fault.value)

    def test_an_empty_text_is_none(self) -> None:
        signal = read(
            ACTION | {"data": {**ACTION["data"], "correlationId": "", "claims": {}, "authorization": {}}}
        )
        assert signal
        assert (signal.cause.correlation_id, signal.cause.caller) == (None, None)


def test_a_look_before_its_time_keeps_the_flag_waiting() -> None:
    life = Life()
    life.see(look("stopped"))
    assert life.now.due_at == NOON + GRACE
    assert replace(life.now, due_at=None).look_at is None
