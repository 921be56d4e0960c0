"""Reading files: what is in them, where, and what is said of the rest."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.parts import CannotStart
from local.replay.recordings import DeadLetter, Recorded, Recordings, by_time, read, read_all

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
EXPECTED = "expected an Event Grid event (`eventType`) or a CloudEvent 1.0 (`specversion` and `type`)"
A, B = ({"eventType": "Some.Thing", "id": name, "eventTime": "2026-11-21T09:00:00Z"} for name in "ab")
CLOUD = {"specversion": "1.0", "type": "Some.Thing", "id": "c", "time": "2026-11-21T08:00:00.1234567+00:00"}


def reading(content: str | bytes) -> Recordings:
    found = Recordings()
    read("f", content.encode() if isinstance(content, str) else content, found)
    return found


def told(found: Recordings) -> list[tuple[int, object]]:
    return [(each.place.line, each.body["id"]) for each in found.events]


def faults(found: Recordings) -> list[tuple[int, str]]:
    return [(each.place.line, each.text) for each in found.unreadable]


def lines(*values: Mapping[str, Any] | list[Any]) -> str:
    return "\n".join(json.dumps(value) for value in values)


@pytest.mark.parametrize(
    ("content", "events"),
    [
        (json.dumps(A), [(1, "a")]),
        ("\n\n" + json.dumps(A, indent=2), [(3, "a")]),
        (json.dumps([A, CLOUD]), [(1, "a"), (1, "c")]),
        (f"[\n{json.dumps(A)},\n\n{json.dumps(B)}\n]\n", [(2, "a"), (4, "b")]),
        (json.dumps([A, B], indent=1), [(2, "a"), (7, "b")]),
        (lines(A, B) + "\r\n", [(1, "a"), (2, "b")]),
        (lines(A) + "\n\n" + lines(CLOUD), [(1, "a"), (3, "c")]),
        (lines([A], [B, CLOUD]), [(1, "a"), (2, "b"), (2, "c")]),
        (
            json.dumps(A | {"subject": "a\u2028b"}, ensure_ascii=False) + "\n" + json.dumps(B),
            [(1, "a"), (2, "b")],
        ),
        ("\ufeff" + json.dumps(A), [(1, "a")]),
        (lines(A, B).encode("utf-16"), [(1, "a"), (2, "b")]),
        ("[]", []),
        ("\n \n", []),
    ],
)
def test_documents_and_lines(content: str | bytes, events: list[tuple[int, str]]) -> None:
    found = reading(content)
    assert told(found) == events
    assert faults(found) == []


@pytest.mark.parametrize(
    ("content", "events", "wrong"),
    [
        ("garbage", [], [(1, f"not JSON (Expecting value, column 1): {EXPECTED}")]),
        (f"garbage\n{lines(A)}\n{{", [(2, "a")], [(1, "not JSON ("), (3, "not JSON (")]),
        ('{\n"eventType":\n"x",,}', [], [(3, "not JSON (")]),
        (f"[\n{json.dumps(A)},\n{json.dumps(B)[:20]}", [(2, "a")], [(3, "not JSON (")]),
        (f"[\n{json.dumps(A)},\n{json.dumps(B)}", [(2, "a"), (3, "b")], [(3, "not JSON (")]),
        (json.dumps([A]) + " x", [(1, "a")], [(1, "expected the end of the file after its array")]),
        (f"[oops\n{lines([A])}", [(2, "a")], [(1, "not JSON (")]),
        ("[" * 200_000, [], [(1, f"nested too deeply: {EXPECTED}")]),
        ('{"eventType": ' + "1" * 5000 + "}", [], [(1, "not JSON (")]),
        (b"\xff\n" + lines(A).encode(), [(2, "a")], [(1, f"not text in UTF-8: {EXPECTED}")]),
        (b'[{"eventType": "\xff"},\n' + lines(A).encode() + b"]", [(2, "a")], [(1, "not text in UTF-8: ")]),
        (b"\x00\x01", [], [(1, "not JSON (")]),
        ("7", [], [(1, f"{EXPECTED}, got 7")]),
        (lines(A, [B, "b"]), [(1, "a"), (2, "b")], [(2, f"{EXPECTED}, got 'b'")]),
        ('{"type": "x", "id": 1}', [], [(1, f"{EXPECTED}, got an object with 'type, id'")]),
        ('{"specversion": "1.0", "eventType": "x"}', [], [(1, EXPECTED)]),
        ('{"eventType": ""}', [], [(1, EXPECTED)]),
    ],
)
def test_what_cannot_be_read_is_said_and_the_rest_is_read(
    content: str | bytes, events: list[tuple[int, str]], wrong: list[tuple[int, str]]
) -> None:
    found = reading(content)
    assert told(found) == events
    assert [line for line, _ in faults(found)] == [line for line, _ in wrong]
    for (_, text), (_, beginning) in zip(faults(found), wrong, strict=True):
        assert text.startswith(beginning)
        assert "expected" in text


def test_what_follows_a_broken_item_is_said_to_be_left_out() -> None:
    found = reading(f"[\n{json.dumps(A)},\noops,\n{json.dumps(B)}\n]")
    assert told(found) == [(2, "a")]
    assert faults(found)[0][1].endswith("what follows in this file is not read")


def test_handshakes_are_skipped_and_said() -> None:
    found = reading((SAMPLES / "eventgrid-subscription-validation.webhook.json").read_bytes())
    assert (found.events, found.unreadable) == ([], [])
    assert [each.text for each in found.skipped] == [
        "a validation event: Event Grid's handshake, about nothing that happened"
    ]


def test_a_dead_letter_is_the_event_and_why_it_was_given_up() -> None:
    content = (SAMPLES / "eventgrid-deadletter-event.eventgridschema.docs.json").read_bytes()
    (event,) = reading(content).events
    dead_letter = DeadLetter(
        reason="MaxDeliveryAttemptsExceeded",
        attempts=1,
        last_outcome="NotFound",
        published_at="2020-08-13T17:18:14.0265758Z",
        last_attempt_at="2020-08-13T17:18:14.0465788Z",
    )
    assert event.dead_letter == dead_letter
    assert list(event.body) == [name for name in json.loads(content) if not hasattr(dead_letter, name)][:8]
    assert str(event.dead_letter) == (
        "dead-lettered: MaxDeliveryAttemptsExceeded, after 1 attempts, the last at 2020-08-13T17:18:14.0465788Z, "
        "which met NotFound (published at 2020-08-13T17:18:14.0265758Z)"
    )


def test_a_cloud_event_that_was_given_up_has_the_same_in_small_letters() -> None:
    (event,) = reading(json.dumps(CLOUD | {"deadletterreason": "TimeToLiveExceeded"})).events
    assert event.dead_letter == DeadLetter(reason="TimeToLiveExceeded")
    assert str(event.dead_letter) == "dead-lettered: TimeToLiveExceeded"
    assert event.body == CLOUD


def test_an_event_that_was_not_given_up_keeps_all_it_has() -> None:
    (event,) = reading(json.dumps(A | {"publishTime": "x"})).events
    assert (event.dead_letter, event.body) == (None, A | {"publishTime": "x"})


def test_by_time() -> None:
    no_time, odd_time = A | {"id": "n", "eventTime": None}, A | {"id": "o", "eventTime": "noon"}
    found = reading(lines(no_time, A, odd_time, CLOUD, B))
    assert [each.body["id"] for each in by_time(found.events)] == ["c", "a", "b", "n", "o"]


def test_folders_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number, (folder, event) in enumerate(
        (("2026/11/10", B), ("2026/11/9", A), (".git", A), ("2026/2/1", CLOUD))
    ):
        directory = tmp_path / folder
        directory.mkdir(parents=True)
        (directory / f"{number}.json").write_text(json.dumps([event]), "utf-8")
    found = read_all([str(tmp_path)])
    assert [each.body["id"] for each in found.events] == ["c", "a", "b"]
    assert found.events[0].place.file == str(tmp_path / "2026/2/1/3.json")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines(A).encode())))
    (event,) = read_all(["-"]).events
    assert str(event.place) == "-:1"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    good = tmp_path / "good.json"
    good.write_text(lines(A), "utf-8")
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = tmp_path / "nothing.json"
    nothing.write_text("[]", "utf-8")
    for names, fault in (
        ([str(good), str(tmp_path / "none")], "none: no such file"),
        ([str(empty)], "empty: no file in that folder, nor below it"),
        ([str(nothing)], "nothing.json: nothing in it; expected an Event Grid event"),
        (["-", "-"], "- is given twice"),
    ):
        with pytest.raises(CannotStart, match=fault):
            read_all(names)


def test_an_event_of_which_little_can_be_read_is_an_event_all_the_same() -> None:
    (event,) = reading(json.dumps({"eventType": "Microsoft.Resources.ResourceActionSuccess"})).events
    assert isinstance(event, Recorded)
    assert (event.vm, event.scale_set, event.what) == (
        None,
        None,
        "Microsoft.Resources.ResourceActionSuccess",
    )
