"""docs/notices.md shows what people see."""

import re

from shared.chat import slack
from shared.chat.message import HEADINGS, message
from shared.domain.records import NoticeKind
from tests.chat.seen import in_slack
from tests.docs.test_docs import text
from tests.told import tellings


def test_the_message_in_the_documentation_is_one() -> None:
    (shown,) = re.findall(r"```text\n(.*?)```", text("docs/notices.md"), re.DOTALL)
    body = slack.body(message(tellings()[NoticeKind.LEFT_STOPPED], "https://stopgap.example"))
    lines = [re.sub(r"\[(\w+)\]\([^)]*\)", r"\1", line) for line in in_slack(body)]
    assert " ".join(shown.split()) == " ".join(" ".join(lines).split())


def test_every_heading_is_documented() -> None:
    for heading in HEADINGS.values():
        assert f"| {heading.symbol} {heading.title}" in text("docs/notices.md")
