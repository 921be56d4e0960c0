"""What the domain can hold, for Hypothesis: rich in content, not in sense."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from shared.domain.actions import Deallocation, Entry, Refusal, Stage, What
from shared.domain.exemptions import Exemption
from shared.domain.ids import VmId
from shared.domain.malformed import Malformed
from shared.domain.money import Amount, Cost, Rates
from shared.domain.observations import Model
from shared.domain.policy import TAGS, Channel
from shared.domain.records import (
    Episode,
    Flag,
    FlagKind,
    Heard,
    Notice,
    NoticeKind,
    Record,
    Retry,
    Settled,
    Transition,
)
from shared.domain.signals import Actor, Cause, Source, Verb
from shared.domain.states import PowerState, ProvisioningState, Reading
from shared.domain.telling import Telling

times = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
texts = st.text(max_size=40)
maybe_text = st.none() | texts
maybe_time = st.none() | times
power_states = st.sampled_from(PowerState)
sources = st.sampled_from(Source)
subscriptions = st.uuids().map(str)


def _is_name(text: str) -> bool:
    try:
        VmId.of("00000000-0000-4000-8000-000000000001", text, "vm")
    except Malformed:
        return False
    return True


names = st.from_regex(r"[\w().-]{1,90}", fullmatch=True).map(str.lower).filter(_is_name)
instances = st.builds("{}~{}".format, names, st.integers(0, 10_000))
vm_ids = st.builds(VmId, subscriptions, names, names | instances)

causes = st.builds(
    Cause,
    actor=st.sampled_from(Actor),
    operation=texts,
    at=times,
    source=sources,
    verb=st.none() | st.sampled_from(Verb),
    caller=maybe_text,
    caller_name=maybe_text,
    correlation_id=maybe_text,
)
settled = st.builds(
    Settled,
    power_state=power_states,
    before=st.none() | power_states,
    since=times,
    since_source=sources,
    seen_at=times,
    not_before=maybe_time,
    cause=st.none() | causes,
    hibernated=st.booleans(),
    flagged_at=maybe_time,
    left_at=maybe_time,
)
refusals = st.builds(Refusal, texts, texts)
flags = st.builds(
    Flag,
    st.sampled_from(FlagKind),
    times,
    flagged_at=times,
    notified_at=maybe_time,
    tell_at=maybe_time,
    deallocate_after=maybe_time,
    snoozed_until=maybe_time,
    snoozed_by=maybe_text,
    refusal=st.none() | refusals,
)
deallocations = st.builds(
    Deallocation,
    seen_at=times,
    asked_at=times,
    asked_by=maybe_text,
    stage=st.sampled_from(Stage),
    try_at=times,
    attempts=st.integers(0, 3),
    looked_at=maybe_time,
    accepted_at=maybe_time,
    ended_at=maybe_time,
    code=maybe_text,
    said=maybe_text,
    after=st.none() | power_states,
    after_at=maybe_time,
    refusal=st.none() | refusals,
    overtaken_at=maybe_time,
    overtaken_by=st.none() | causes,
)
exemptions = st.builds(Exemption, maybe_time, texts, maybe_text)
notices = st.builds(
    Notice,
    kind=st.sampled_from(NoticeKind),
    id=texts,
    made_at=times,
    try_at=times,
    attempts=st.integers(1, 100),
    channel=st.sampled_from(Channel),
    fault=maybe_text,
    parked=st.booleans(),
)
episodes = st.builds(
    Episode,
    vm=vm_ids,
    seen_at=times,
    started_at=times,
    started_source=sources,
    cause=st.none() | causes,
    flagged_at=maybe_time,
    ended_at=maybe_time,
    ended_as=st.none() | power_states,
    ended_by=st.none() | causes,
    by_stopgap=st.booleans(),
)
records = st.builds(
    Record,
    vm=vm_ids,
    observed_at=times,
    reading=st.builds(
        Reading, power_states, st.sampled_from(ProvisioningState), maybe_text, hibernated=st.booleans()
    ),
    model=st.builds(Model, *[maybe_text] * 7, *[st.booleans()] * 3),
    power_state=power_states,
    appeared_at=times,
    not_before=maybe_time,
    settled=st.none() | settled,
    heard=st.none() | st.builds(Heard, power_states, causes),
    os_failed_at=maybe_time,
    flag=st.none() | flags,
    exemption=st.none() | exemptions,
    exempted=st.none() | exemptions,
    tags=st.dictionaries(st.sampled_from(TAGS), texts),
    deallocation=st.none() | deallocations,
    closed=st.none() | episodes,
    due_at=maybe_time,
    retry=st.none() | st.builds(Retry, times, st.integers(0, 1000)),
    outbox=st.lists(notices, max_size=2).map(tuple),
    reason=texts,
)
transitions = st.builds(
    Transition,
    vm=vm_ids,
    seen_at=times,
    at=times,
    at_source=sources,
    before=st.none() | power_states,
    after=power_states,
    cause=st.none() | causes,
    hibernated=st.booleans(),
)
entries = st.builds(
    Entry,
    vm=vm_ids,
    at=times,
    what=st.sampled_from(What),
    by=maybe_text,
    text=texts,
    rule=maybe_text,
)
prices = st.none() | st.floats(0.0001, 1e9)
currencies = st.sampled_from(["EUR", "USD"])
rates = st.builds(Rates, currencies, prices, prices)
amounts = st.builds(Amount, currencies, prices, prices)
costs = st.builds(Cost, amounts, amounts)
tellings = st.builds(Telling, notices, records, st.none() | costs)
