"""What was replayed, for people and for machines."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct, to_builtins

from local.replay.app import Delivered, VmJson
from local.replay.recordings import Recorded, Recordings, Remark
from local.replay.ways import Way
from shared.domain.views import time_view
from shared.watch import Outcome

FAILED = "failed"
NOT_ON_RECORD = "not on record"


class Report(Struct, frozen=True):
    """All that is to be said."""

    way: Way
    about: str
    recordings: Recordings
    delivered: Sequence[Delivered]

    @property
    def failed(self) -> list[Delivered]:
        """Events that the function app did not handle, or that nobody knows of what came of them."""
        return [each for each in self.delivered if each.fault is not None]

    @property
    def counts(self) -> dict[str, int]:
        """How often what came of an event, the most frequent first."""
        counted = Counter(each.outcome or FAILED for each in self.delivered)
        return {str(word): count for word, count in counted.most_common()}

    @property
    def vms(self) -> dict[str, VmJson | None]:
        """The VMs that events named, each as it was shown after the last event of it that was handled; by id."""
        return {
            str(each.recorded.vm): each.vm
            for each in self.delivered
            if each.recorded.vm and each.outcome not in {None, Outcome.NOT_WATCHED}
        }

    @property
    def exit_code(self) -> int:
        """0: all events were handled; 1: not all, or not all could be read."""
        return 1 if self.failed or self.recordings.unreadable else 0


def beginning(about: str, recordings: Recordings) -> str:
    """What people read first."""
    lines = [about, "", _events(len(recordings.events))]
    if unread := len(recordings.unreadable):
        lines.append(f"{unread} not readable: see the end")
    return "\n".join([*lines, ""])


def line(number: int, delivered: Delivered) -> str:
    """An event and what came of it, in a few lines."""
    recorded = delivered.recorded
    head = f"{number:>3}  {_moment(recorded):<20}  {printable(recorded.what)}"
    what = f"{delivered.outcome or FAILED}: {printable(delivered.fault or delivered.reason or '')}"
    lines = [head, f"     {named(recorded)}", f"     {what}"]
    if recorded.dead_letter:
        lines.insert(2, f"     {printable(str(recorded.dead_letter))}")
    return "\n".join(lines)


def end(report: Report) -> str:
    """The summary for people."""
    unreadable, skipped = report.recordings.unreadable, report.recordings.skipped
    lines = ["", "What came of them"]
    lines += [f"  {count:>5}  {word}" for word, count in report.counts.items()]
    lines += [f"  {len(unreadable):>5}  not readable"] if unreadable else []
    lines += [f"  {len(skipped):>5}  skipped"] if skipped else []
    if report.vms:
        lines += ["", "VMs, as they were after the last event of each"]
    for vm_id, vm in report.vms.items():
        lines += [f"  {vm_id}", f"    {_state(vm)}{printable(f': {vm["reason"]}') if vm else ''}"]
    if skipped:
        lines += ["", "Skipped", *(f"  {each.place}: {printable(each.text)}" for each in skipped)]
    if report.failed or unreadable:
        lines += ["", "Failures"]
    lines += [f"  {each.place}: {printable(each.text)}" for each in unreadable]
    lines += [f"  {each.recorded.place}: {printable(each.fault or '')}" for each in report.failed]
    return "\n".join(lines)


def for_machines(report: Report) -> str:
    """Everything as one JSON object."""
    return json.dumps(
        {
            "exit_code": report.exit_code,
            "way": report.way,
            "about": report.about,
            "counts": report.counts,
            "events": [_event_view(each) for each in report.delivered],
            "vms": [{"id": vm_id, "vm": vm} for vm_id, vm in report.vms.items()],
            "unreadable": [_view(each) for each in report.recordings.unreadable],
            "skipped": [_view(each) for each in report.recordings.skipped],
        },
        indent=2,
        ensure_ascii=False,
    )


def named(recorded: Recorded) -> str:
    """What an event is about: its VM in a few words, or its subject."""
    vm = recorded.vm
    return f"{vm.resource_group}/{vm.name}" if vm else printable(f"{recorded.event.subject}")


def printable(text: str) -> str:
    """On one line, without what would steer a terminal: some of it was written by others."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _moment(recorded: Recorded) -> str:
    at = recorded.event.time
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else "no time"


def _state(vm: VmJson | None) -> str:
    if vm is None:
        return NOT_ON_RECORD
    return f"{vm['power_state']}, {f'flagged ({vm["flag"]["kind"]})' if vm['flag'] else 'not flagged'}"


def _event_view(delivered: Delivered) -> Mapping[str, object]:
    recorded, vm = delivered.recorded, delivered.vm
    return {
        "file": recorded.place.file,
        "line": recorded.place.line,
        "id": recorded.body.get("id"),
        "time": time_view(recorded.event.time),
        "type": recorded.event.type,
        "operation": recorded.signal.cause.operation if recorded.signal else None,
        "subject": recorded.event.subject,
        "vm": str(recorded.vm) if recorded.vm else None,
        "outcome": delivered.outcome,
        "reason": delivered.reason,
        "power_state": vm["power_state"] if vm else None,
        "flag": vm["flag"] if vm else None,
        "fault": delivered.fault,
        "dead_letter": to_builtins(recorded.dead_letter),
    }


def _view(remark: Remark) -> Mapping[str, object]:
    return {"file": remark.place.file, "line": remark.place.line, "text": remark.text}


def _events(count: int) -> str:
    return f"{count} event{'' if count == 1 else 's'}"
