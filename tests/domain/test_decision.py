"""The rules of the decision, one by one."""

from copy import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.decision import FIRST_RETRY, LONGEST_RETRY, decide
from shared.domain.news import LookAsked
from shared.domain.noticing import mark_failed, mark_sent
from shared.domain.observations import Gone, Observation
from shared.domain.policy import Mode, Policy
from shared.domain.records import FlagKind, Notice, NoticeKind
from shared.domain.settling import HEARSAY
from shared.domain.signals import Actor, Source, Verb
from shared.domain.states import PowerState
from tests.domain.life import GRACE, NOON, Life, annotation, event, look, minutes, next_look


class TestSettling:
    def test_a_vm_first_seen_stopped_has_been_so_at_least_since_the_look(self) -> None:
        life = Life()
        life.see(look("stopped"))
        assert (life.now.since, life.now.since_source) == (NOON, Source.OBSERVED)
        assert life.kinds() == ["discovered"]
        assert "at least since 2026-11-21 12:00:00 UTC" in life.now.reason

    @pytest.mark.parametrize("power", ["starting", "stopping", "deallocating", "creating"])
    def test_a_passing_state_is_shown_but_settles_nothing(self, power: str) -> None:
        life = Life()
        life.see(look("running"))
        decision = life.see(look(power, minutes(1)))
        assert life.now.power_state == power
        assert life.now.settled
        assert life.now.settled.power_state is PowerState.RUNNING
        assert decision.transition is None
        assert next_look(decision) == minutes(1) + FIRST_RETRY

    @pytest.mark.parametrize(
        "provisioning", ["creating", "updating", "deleting", "migrating", "inprogress", "unknown"]
    )
    def test_stopped_while_an_operation_is_in_progress_is_not_settled(self, provisioning: str) -> None:
        life = Life()
        decision = life.see(look("stopped", provisioning=provisioning))
        assert life.now.settled is None
        assert next_look(decision) == NOON + FIRST_RETRY
        assert not life.episodes

    @pytest.mark.parametrize("provisioning", ["succeeded", "failed", "canceled"])
    def test_stopped_is_settled_however_the_last_operation_ended(self, provisioning: str) -> None:
        life = Life()
        life.see(look("stopped", provisioning=provisioning))
        assert life.now.stopped

    def test_looks_at_a_vm_not_at_rest_go_ever_further_apart(self) -> None:
        life, at, distances = Life(), NOON, []
        for _ in range(9):
            due = next_look(life.see(look("starting", at)))
            assert due
            distances.append(due - at)
            at = due
        assert distances[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
        assert distances[-1] == distances[-2] == LONGEST_RETRY

    def test_a_look_before_its_time_does_not_push_the_next_one_away(self) -> None:
        life = Life()
        first = next_look(life.see(look("starting")))
        assert next_look(life.see(look("starting", NOON + timedelta(seconds=1)))) == first

    def test_no_power_state_is_no_news(self) -> None:
        life = Life()
        life.see(look("stopped"))
        decision = life.see(look("unknown", minutes(20)))
        assert life.now.power_state is PowerState.STOPPED
        assert life.flag() is None
        assert next_look(decision) == minutes(20) + FIRST_RETRY
        life.see(look("stopped", minutes(21)))
        assert life.now.since == NOON
        assert life.now.flag

    def test_a_vm_never_seen_with_a_power_state_is_unknown_and_not_known_to_be_billed(self) -> None:
        life = Life()
        life.see(look("unknown"))
        assert (life.now.power_state, life.now.billed) == (PowerState.UNKNOWN, None)

    def test_an_older_look_changes_nothing(self) -> None:
        life = Life()
        life.see(look("running", minutes(5)))
        before = life.now
        decision = life.see(look("stopped", minutes(4)), now=minutes(6))
        assert life.now == before
        assert not decision.changed

    def test_an_older_look_still_hands_over_its_signal(self) -> None:
        life = Life()
        life.see(look("stopped", minutes(5)))
        life.see(look("stopping", minutes(4)), event("stopped", minutes(4.5)), now=minutes(6))
        assert life.now.cause
        assert life.now.cause.caller == "caller-1"

    def test_the_same_look_again_changes_nothing(self) -> None:
        life = Life()
        life.see(look("stopped"), event("stopped", NOON))
        before = life.now
        assert not life.see(look("stopped", minutes(1)), event("stopped", NOON)).changed
        assert life.now == before

    def test_left_and_come_back_is_a_new_state(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("starting", minutes(5)))
        life.see(look("stopped", minutes(10)))
        assert life.kinds() == ["discovered", "returned"]
        assert life.now.since == minutes(10)
        assert [episode.ended_at for _, episode in sorted(life.episodes.items())] == [minutes(5), None]

    def test_an_operation_on_a_stopped_vm_does_not_restart_its_clock(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(5), provisioning="updating"))
        life.see(look("stopped", minutes(16)))
        assert life.now.since == NOON
        assert life.now.flag

    def test_a_deleted_vm_ends_its_episode_and_its_flag(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        decision = life.see(look("deleted", minutes(30)), event("deleted", minutes(29)))
        assert life.now.power_state is PowerState.DELETED
        assert life.flag() is None
        assert life.episodes[NOON].ended_as is PowerState.DELETED
        assert life.episodes[NOON].hours == pytest.approx(29 / 60)
        assert next_look(decision) is None or life.now.outbox == ()
        assert life.notices() == ["left_stopped", "flag_cleared"]

    def test_a_vm_that_was_never_known_and_is_gone_leaves_no_record(self) -> None:
        decision = decide(None, look("deleted"), event("deleted", NOON), Policy(), NOON)
        assert decision.record is None
        assert not decision.changed
        assert decision.reason

    def test_a_vm_created_again_under_the_name_is_another(self) -> None:
        life = Life()
        life.see(look("stopped", uid="uid-1"))
        life.see(look("stopped", minutes(16), uid="uid-2"))
        assert life.kinds() == ["discovered", "reappeared"]
        assert life.flag() is None
        assert life.episodes[NOON].ended_as is PowerState.DELETED

    def test_a_deleted_vm_that_is_there_again_without_a_power_state_is_unknown(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("deleted", minutes(1)))
        life.see(look("unknown", minutes(2), provisioning="creating", uid="uid-2"))
        assert life.now.power_state is PowerState.UNKNOWN
        life.see(look("running", minutes(3), uid="uid-2"))
        assert life.kinds() == ["discovered", "deleted", "reappeared"]


class TestSince:
    def test_the_event_that_explains_it_tells_since_when_and_by_whom(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("stopped", minutes(10)), event("stopped", minutes(7)))
        assert (life.now.since, life.now.since_source) == (minutes(7), Source.EVENT)
        assert life.now.cause
        assert life.now.cause.caller == "caller-1"

    def test_a_later_event_adds_the_caller_and_never_moves_since_later(self) -> None:
        life = Life()
        life.see(look("stopped", minutes(1)), annotation("stopped", NOON))
        life.see(look("stopped", minutes(4)), event("stopped", minutes(3)))
        assert (life.now.since, life.now.since_source) == (NOON, Source.ANNOTATION)
        assert life.now.cause
        assert life.now.cause.source is Source.EVENT
        assert life.transitions[minutes(1)].cause == life.now.cause
        assert life.episodes[minutes(1)].cause == life.now.cause

    def test_a_later_word_of_an_earlier_time_moves_since_earlier(self) -> None:
        life = Life()
        life.see(look("stopped", minutes(5)))
        life.see(look("stopped", minutes(6)), event("stopped", minutes(2)))
        assert (life.now.since, life.now.since_source) == (minutes(2), Source.EVENT)
        assert life.episodes[minutes(5)].started_at == minutes(2)

    def test_since_is_not_before_a_look_that_saw_otherwise(self) -> None:
        life = Life()
        life.see(look("running", minutes(5)))
        life.see(look("stopped", minutes(6)), annotation("stopped", minutes(4)))
        assert life.now.since == minutes(5)

    def test_a_stale_duplicate_explains_nothing(self) -> None:
        life = Life()
        life.see(look("running", minutes(30)))
        life.see(look("stopped", minutes(40)), event("stopped", NOON))
        assert (life.now.since, life.now.since_source) == (minutes(40), Source.OBSERVED)
        assert life.now.cause is None

    def test_a_power_off_long_after_the_vm_was_seen_stopped_is_not_its_cause(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(16)), event("stopped", minutes(15.5)))
        assert life.now.cause is None

    def test_what_was_heard_before_it_was_seen_is_remembered(self) -> None:
        life = Life()
        life.see(look("running"))
        decision = life.see(look("running", minutes(1)), annotation("stopped", minutes(1)))
        assert next_look(decision) == minutes(1) + FIRST_RETRY
        assert "looking again" in life.now.reason
        life.see(look("stopping", minutes(2)))
        life.see(look("stopped", minutes(3)))
        assert life.now.cause
        assert life.now.cause.actor is Actor.GUEST
        assert life.now.heard is None

    def test_a_state_told_of_and_not_seen_is_given_up(self) -> None:
        life, at = Life(), NOON
        life.see(look("running", at), annotation("stopped", at))
        for _ in range(10):
            due = life.now.look_at
            if due is None:
                break
            at = due
            life.see(look("running", at))
        assert life.now.look_at is None
        assert HEARSAY < at - NOON < 2 * HEARSAY

    def test_word_of_a_time_before_the_present_state_is_stale(self) -> None:
        life = Life()
        life.see(look("running", minutes(3)), event("running", minutes(2)))
        life.see(look("running", minutes(4)), event("stopped", minutes(1)))
        assert life.now.heard is None
        assert life.now.look_at is None

    def test_a_signal_from_the_far_future_is_not_waited_for(self) -> None:
        life = Life()
        life.see(look("running"), event("stopped", NOON + timedelta(days=40_000)))
        assert life.now.heard is None

    def test_signals_in_any_order_end_in_the_same_record(self) -> None:
        told = [annotation("stopped", minutes(1)), event("stopped", minutes(3)), event(None, minutes(2))]
        ends = []
        for order in (told, told[::-1], [told[1], told[0], told[2]]):
            life = Life()
            life.see(look("running"))
            for signal in [*order, *order]:
                life.see(look("stopped", minutes(4)), signal)
            ends.append(life.now)
        assert ends[0] == ends[1] == ends[2]


class TestFlag:
    def test_stopped_past_grace_and_seen_twice(self) -> None:
        life = Life()
        first = life.see(look("stopped"))
        assert next_look(first) == NOON + GRACE
        life.see(look("stopped", NOON + GRACE - timedelta(microseconds=1)))
        assert life.flag() is None
        life.see(look("stopped", NOON + GRACE))
        assert life.now.flag
        assert life.now.flag.flagged_at == NOON + GRACE
        assert life.episodes[NOON].flagged_at == NOON + GRACE
        assert life.notices() == ["left_stopped"]
        assert "Flagged" in life.now.reason

    def test_one_look_is_not_enough_however_long_ago_it_stopped(self) -> None:
        life = Life()
        decision = life.see(look("stopped"), event("stopped", NOON - timedelta(days=9)))
        assert life.now.since == NOON - timedelta(days=9)
        assert life.flag() is None
        assert next_look(decision) == NOON + GRACE

    def test_the_tag_of_the_owner_sets_another_grace(self) -> None:
        life = Life()
        decision = life.see(look("stopped", tags={"Stopgap:Grace": "6h"}))
        assert next_look(decision) == NOON + timedelta(hours=6)

    def test_an_unreadable_grace_leaves_the_default_and_says_so(self) -> None:
        life = Life()
        decision = life.see(look("stopped", tags={"stopgap:grace": "soon"}))
        assert next_look(decision) == NOON + GRACE
        assert "stopgap:grace" in life.now.reason

    @pytest.mark.parametrize("value", ["pet project", "true", "", "2026-13-77", "2027-01-01"])
    def test_an_exempt_vm_is_not_flagged(self, value: str) -> None:
        life = Life()
        for minute in (0, 15, 30):
            life.see(look("stopped", minutes(minute), tags={"stopgap:exempt": value}))
        assert life.flag() is None
        assert life.now.exemption
        assert life.sent == []

    def test_an_exemption_that_ends_is_looked_at_then(self) -> None:
        life, tags = Life(), {"stopgap:exempt": "2026-11-21T13:00:00Z"}
        assert next_look(life.see(look("stopped", tags=tags))) == minutes(60)
        life.see(look("stopped", minutes(60), tags=tags))
        assert life.now.flag

    def test_an_exemption_clears_the_flag_and_tells_so(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        life.see(look("stopped", minutes(20), tags={"stopgap:exempt": "keep"}))
        assert life.flag() is None
        assert life.notices() == ["left_stopped", "flag_cleared"]
        assert life.episodes[NOON].ended_at is None

    @pytest.mark.parametrize("power", ["running", "deallocated"])
    def test_leaving_stopped_ends_episode_and_flag(self, power: str) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        life.see(look(power, minutes(60)), event(power, minutes(59)))
        assert life.flag() is None
        episode = life.episodes[NOON]
        assert (episode.ended_at, episode.ended_as) == (minutes(59), power)
        assert episode.ended_by
        assert episode.hours == pytest.approx(59 / 60)
        assert life.notices() == ["left_stopped", "flag_cleared"]

    def test_a_flag_outlasts_a_passing_state(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        life.see(look("stopped", minutes(16), provisioning="updating"))
        assert life.now.flag

    def test_observe_flags_and_tells_no_one(self) -> None:
        life = Life(Policy(mode=Mode.OBSERVE))
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        assert life.now.flag
        assert life.sent == []
        assert life.now.outbox == ()
        armed = Life(Policy(mode=Mode.NOTIFY), record=life.record)
        armed.see(look("stopped", minutes(16)))
        assert armed.notices() == ["left_stopped"]


class TestNotices:
    def test_a_notice_is_sent_again_only_while_unconfirmed_and_ever_more_rarely(self) -> None:
        life, at, distances = Life(deliver=False), minutes(15), []
        life.see(look("stopped"))
        life.see(look("stopped", at))
        for _ in range(10):
            due = life.now.look_at
            assert due
            distances.append(due - at)
            at = due
            life.see(look("stopped", at))
        assert distances[:3] == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2)]
        assert distances[-1] == timedelta(hours=1)
        assert len({notice.id for notice in life.now.outbox}) == 1

    def test_who_sees_the_flag_before_the_retry_does_not_send_again(self) -> None:
        life = Life(deliver=False)
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        assert not life.see(look("stopped", minutes(15.2))).changed

    def test_a_flag_never_confirmed_as_told_is_taken_back_when_cleared(self) -> None:
        life = Life(deliver=False)
        life.see(look("stopped"))
        life.see(look("stopped", minutes(15)))
        life.see(look("running", minutes(16)))
        assert [notice.kind for notice in life.now.outbox] == [NoticeKind.FLAG_CLEARED]

    def test_a_notice_that_is_given_up_is_told_of_once_and_again_if_it_is_given_up_again(self) -> None:
        life = Life(deliver=False)
        life.see(look("stopped"))
        flagged = life.see(look("stopped", minutes(15)))
        assert flagged.entries == ()

        def until_given_up() -> list[tuple[str, str | None, str]]:
            told = len(life.entries)
            while (at := life.now.look_at) is not None:
                (notice,) = life.now.outbox
                life.record = mark_failed(life.now, notice, "HTTP 410 <gone>")
                life.see(look("stopped", at))
            return [(entry.what, entry.by, entry.text) for entry in life.entries[told:]]

        given_up = "“left stopped” to the topic, after {} attempts (HTTP 410 <gone>)"
        assert until_given_up() == [("notice_given_up", None, given_up.format(12))]
        assert not life.see(look("stopped", minutes(1000))).changed
        life.hear(LookAsked("ada"), minutes(1001))
        assert until_given_up() == [("notice_given_up", None, given_up.format(13))]

    def test_marking_what_is_not_there_changes_nothing(self) -> None:
        life = Life()
        life.see(look("stopped"))
        assert (
            mark_sent(life.now, Notice(NoticeKind.LEFT_STOPPED, "no such notice", NOON, NOON), NOON)
            == life.now
        )


class TestFailedProvisioning:
    def failed(
        self,
        at: datetime,
        code: str | None = "OSProvisioningTimedOut",
        *,
        tags: dict[str, str] | None = None,
        uid: str = "uid-1",
    ) -> Observation | Gone:
        return look("running", at, provisioning="failed", detail=code, tags=tags, uid=uid)

    def test_os_provisioning_failed_and_running_is_flagged_after_grace(self) -> None:
        life = Life()
        decision = life.see(self.failed(NOON))
        assert next_look(decision) == NOON + GRACE
        assert "billed all the same" in life.now.reason
        life.see(self.failed(minutes(15)))
        flag = life.flag()
        assert flag
        assert flag.kind is FlagKind.FAILED_PROVISIONING
        assert life.notices() == ["failed_provisioning"]
        assert "restart the VM" in life.now.reason
        assert not life.episodes, "it is no episode of Stopped"

    def test_it_ends_quietly_when_the_platform_turns_it_into_success(self) -> None:
        life = Life()
        life.see(self.failed(NOON))
        life.see(look("running", minutes(10)))
        life.see(look("running", minutes(30)))
        assert (life.flag(), life.now.os_failed_at, life.notices()) == (None, None, [])

    def test_a_flag_that_was_told_is_told_cleared(self) -> None:
        life = Life()
        life.see(self.failed(NOON))
        life.see(self.failed(minutes(15)))
        life.see(look("running", minutes(20)))
        assert life.flag() is None
        assert life.notices() == ["failed_provisioning", "flag_cleared"]

    @pytest.mark.parametrize(
        "code", ["InternalOperationError", "StorageAccountSubscriptionMismatch", "1", None]
    )
    def test_a_failed_management_operation_leaves_the_vm_as_it_was(self, code: str | None) -> None:
        life = Life()
        life.see(look("running"))
        for minute in (1, 20, 40):
            life.see(self.failed(minutes(minute), code))
        assert (life.flag(), life.now.billed) == (None, True)
        assert "older model" in life.now.reason
        assert life.kinds() == ["discovered"]

    def test_a_failure_without_a_code_right_after_creating_is_one_of_os_provisioning(self) -> None:
        life = Life()
        life.see(look("running", provisioning="creating", detail="OSProvisioningInprogress"))
        life.see(self.failed(minutes(1), None))
        life.see(self.failed(minutes(16), None))
        assert life.flag()

    def test_a_restart_in_between_does_not_start_the_grace_anew(self) -> None:
        life = Life()
        life.see(self.failed(NOON))
        life.see(look("running", minutes(5), provisioning="updating"))
        life.see(self.failed(minutes(15)))
        assert life.flag()

    def test_an_exempt_vm_is_left_alone(self) -> None:
        life = Life()
        for minute in (0, 15, 30):
            life.see(self.failed(minutes(minute), tags={"stopgap:exempt": "keep"}))
        assert life.flag() is None
        assert "Not flagged: exempt" in life.now.reason

    def test_stopped_after_it_is_left_stopped(self) -> None:
        life = Life()
        life.see(self.failed(NOON))
        life.see(self.failed(minutes(15)))
        life.see(look("stopped", minutes(20), provisioning="failed", detail="OSProvisioningTimedOut"))
        assert life.flag() is None
        life.see(look("stopped", minutes(35), provisioning="failed", detail="OSProvisioningTimedOut"))
        flag = life.flag()
        assert flag
        assert flag.kind is FlagKind.LEFT_STOPPED
        assert life.notices() == ["failed_provisioning", "flag_cleared", "left_stopped"]

    def test_another_vm_of_the_name_has_a_failure_of_its_own(self) -> None:
        life = Life()
        life.see(self.failed(NOON))
        life.see(self.failed(minutes(15), uid="uid-2"))
        assert life.flag() is None
        assert life.now.os_failed_at == minutes(15)


class TestKinds:
    def test_a_restart_that_no_look_saw_is_told_by_its_event(self) -> None:
        life = Life()
        life.see(look("running"))
        told = event("running", minutes(30), verb=Verb.RESTART)
        life.see(look("running", minutes(31)), told)
        life.see(look("running", minutes(32)), told)
        assert life.kinds() == ["discovered", "restarted"]
        assert (life.now.since, life.now.since_source) == (minutes(30), Source.EVENT)

    def test_the_beginning_and_the_end_of_one_restart_are_one_restart(self) -> None:
        told = [
            annotation("running", minutes(30), verb=Verb.RESTART),
            event("running", minutes(31), verb=Verb.RESTART),
        ]
        for order in (told, told[::-1]):
            life = Life()
            life.see(look("running"))
            for signal in [*order, *order]:
                life.see(look("running", minutes(32)), signal)
            assert life.kinds() == ["discovered", "restarted"]
            assert life.now.cause
            assert life.now.cause.source is Source.EVENT

    def test_restarts_far_apart_are_two(self) -> None:
        life = Life()
        life.see(look("running"))
        for minute in (30, 60):
            life.see(look("running", minutes(minute)), event("running", minutes(minute), verb=Verb.RESTART))
        assert life.kinds() == ["discovered", "restarted", "restarted"]

    def test_a_late_word_of_an_earlier_restart_is_not_another(self) -> None:
        life = Life()
        life.see(look("running"), event("running", NOON))
        life.see(look("running", minutes(60)), event("running", NOON - timedelta(hours=1), verb=Verb.RESTART))
        assert life.kinds() == ["discovered"]

    def test_a_restart_tells_nothing_of_a_vm_that_is_stopped(self) -> None:
        life = Life()
        life.see(look("stopped"))
        life.see(look("stopped", minutes(5)), event("running", minutes(4), verb=Verb.RESTART))
        assert life.kinds() == ["discovered"]
        assert life.now.heard

    def test_a_redeployment_seen_on_its_way(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(
            look("starting", minutes(5)),
            annotation("running", minutes(4), Actor.PLATFORM, verb=Verb.REDEPLOY),
        )
        life.see(look("running", minutes(6)))
        assert life.kinds() == ["discovered", "redeployed"]
        assert "redeployed by Azure itself" in life.now.reason

    def test_hibernation_is_told_by_the_view(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("deallocated", minutes(5), hibernated=True), event("deallocated", minutes(5)))
        assert life.kinds() == ["discovered", "hibernated"]
        assert life.now.reason.startswith("Hibernated since")
        life.see(look("running", minutes(9)), event("running", minutes(9)))
        assert life.kinds() == ["discovered", "hibernated", "started"]

    def test_hibernation_that_shows_late_is_hibernation(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(look("deallocated", minutes(5)))
        life.see(look("deallocated", minutes(6), hibernated=True))
        assert life.kinds() == ["discovered", "hibernated"]

    def test_an_eviction_is_azures_doing(self) -> None:
        life = Life()
        life.see(look("running"))
        life.see(
            look("deallocated", minutes(5)),
            annotation("deallocated", minutes(4), Actor.PLATFORM, verb=Verb.EVICT),
        )
        assert "evicted by Azure itself" in life.now.reason

    def test_the_callers_name_is_told_where_it_is_kept(self) -> None:
        life, told = Life(), event("stopped", NOON)
        life.see(look("stopped"), replace(told, cause=replace(told.cause, caller_name="Ada Lovelace")))
        assert "powered off through Azure by Ada Lovelace" in life.now.reason
