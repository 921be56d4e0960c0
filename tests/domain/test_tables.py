"""Each row of each table, once more and by hand: a slip in a table is a slip in two places or a red test."""

from shared.domain.actions import What
from shared.domain.noticing import TOLD_BY
from shared.domain.records import FlagKind
from shared.domain.signals import ANNOTATIONS, LEADS_TO, OPERATIONS, RENEWS
from shared.domain.transitions import KINDS, RENEWALS, effect
from shared.domain.views import NOTICE_TYPES
from shared.layout import LAST_RANK

TRANSITIONS = """
-           running      discovered   unknown
-           stopped      discovered   unknown
-           deallocated  discovered   unknown
-           deleted      deleted      unknown
running     running      returned     stays_billed
running     stopped      powered_off  stays_billed
running     deallocated  deallocated  stops
running     deleted      deleted      stops
stopped     running      started      stays_billed
stopped     stopped      returned     stays_billed
stopped     deallocated  deallocated  stops
stopped     deleted      deleted      stops
deallocated running      started      starts
deallocated stopped      allocated    starts
deallocated deallocated  returned     stays_free
deallocated deleted      deleted      stays_free
deleted     running      reappeared   starts
deleted     stopped      reappeared   starts
deleted     deallocated  reappeared   stays_free
deleted     deleted      returned     stays_free
"""

DONE = """
power_off   stopped
shut_down   stopped
deallocate  deallocated
start       running
restart     running
redeploy    running
evict       deallocated
delete      deleted
"""

OPERATION_ROWS = """
poweroff/action            power_off
deallocate/action          deallocate
start/action               start
restart/action             restart
redeploy/action            redeploy
delete                     delete
write                      -
reapply/action             -
reimage/action             -
reimageall/action          -
performmaintenance/action  -
simulateeviction/action    -
generalize/action          -
capture/action             -
"""

ANNOTATION_ROWS = """
virtualmachinestoppedinternally                shut_down   guest
virtualmachinestopinitiatedbycontrolplane      power_off   control_plane
virtualmachinedeallocationinitiated            deallocate  control_plane
virtualmachinestartinitiatedbycontrolplane     start       control_plane
virtualmachineallocated                        -           control_plane
virtualmachinerestarted                        restart     guest
virtualmachinerebootinitiatedbycontrolplane    restart     control_plane
virtualmachineredeployinitiatedbycontrolplane  redeploy    control_plane
virtualmachinesizechanged                      -           control_plane
virtualmachineconfigurationupdated             -           control_plane
virtualmachinepreempted                        evict       platform
virtualmachinecrashed                          -           guest
virtualmachinehostcrashed                      -           platform
virtualmachinehostrebootedforrepair            -           platform
virtualmachinemigrationinitiatedforrepair      -           platform
virtualmachineprovisioningtimedout             -           platform
accelnetunhealthy                              -           platform
"""


def rows(table: str) -> list[tuple[str, ...]]:
    return sorted(tuple(row.split()) for row in table.strip().splitlines())


def test_transitions() -> None:
    ours = ((before or "-", after, kind, effect(before, after)) for (before, after), kind in KINDS.items())
    assert sorted(tuple(map(str, row)) for row in ours) == rows(TRANSITIONS)
    assert {str(verb): str(kind) for verb, kind in RENEWALS.items()} == {
        "restart": "restarted",
        "redeploy": "redeployed",
    }


def test_what_is_done_leads_to() -> None:
    assert sorted((str(verb), str(state)) for verb, state in LEADS_TO.items()) == rows(DONE)
    assert {str(verb) for verb in RENEWS} == {"restart", "redeploy"}


def test_operations() -> None:
    assert sorted((name, str(verb or "-")) for name, verb in OPERATIONS.items()) == rows(OPERATION_ROWS)


def test_annotations() -> None:
    ours = ((name, str(verb or "-"), str(actor)) for name, (verb, actor) in ANNOTATIONS.items())
    assert sorted(ours) == rows(ANNOTATION_ROWS)


def test_flags_and_notices() -> None:
    assert {str(flag): str(NOTICE_TYPES[TOLD_BY[flag]]) for flag in FlagKind} == {
        "left_stopped": "Stopgap.Vm.LeftStopped",
        "failed_provisioning": "Stopgap.Vm.ProvisioningFailed",
    }


RANKS = """
deallocation_asked deallocation_begun deallocation_accepted deallocation_attempt_failed deallocation_refused
deallocation_confirmed deallocation_unconfirmed deallocation_failed deallocation_overtaken
snoozed snooze_ended exempted exemption_ended look_asked
notice_sent notice_given_up
"""


def test_words_of_the_log_keep_their_rank_which_is_a_part_of_names_in_the_ledger() -> None:
    assert [what.value for what in sorted(What, key=lambda what: what.rank)] == RANKS.split()
    assert max(what.rank for what in What) < LAST_RANK
