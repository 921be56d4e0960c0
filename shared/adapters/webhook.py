"""Notices to a chat, by its webhook: Slack's, or a Workflows webhook of Microsoft Teams.

Who knows the address of a webhook can post there. So it is in no error and no log line: they name the host, and what
else holds a part of the address, such as an answer that quotes it, is blotted out.
"""

import json
import re
from datetime import datetime
from textwrap import shorten
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.chat import slack, teams
from shared.chat.message import Message, message, trial
from shared.domain.malformed import Malformed, shown
from shared.domain.telling import Telling
from shared.exchange import answer_to, exchange, plain_client, port_error
from shared.ports import PortError
from shared.settings import LOOPBACK
from shared.settings import webhook_url as checked

CONNECT_SECONDS, READ_SECONDS, SEND_SECONDS = 3.0, 5.0, 8.0
"""Short, as with the topic."""

SLACK = {"hooks.slack.com", "hooks.slack-gov.com"}

LONGEST_ANSWER = 300
"""Characters of an answer that an error quotes."""

_SHORTEST_SECRET = 16
"""Shorter parts of an address are words, such as `powerautomate`."""


class WebhookNotices:
    """`Notices` as messages for people.

    A message is sent once an attempt: one whose answer is lost may have been shown, and would be shown again.
    """

    def __init__(self, url: str, base: str | None) -> None:
        """Make no connection yet.

        Args:
            url: The webhook's address: https, or http on loopback (the simulated Azure). Else `ValueError`.
            base: The address of the function app, for links to a VM's page; None: there are no links.
        """
        try:
            self._url = checked(url)
        except Malformed as fault:
            raise ValueError(f"STOPGAP_WEBHOOK_URL: {fault}") from None
        self._base = base
        parts = urlsplit(self._url)
        self._host = parts.hostname or ""
        on_loopback = self._host in LOOPBACK and parts.path.startswith("/services/")
        self._body = slack.body if self._host in SLACK or on_loopback else teams.body
        self._secrets = _secrets(parts)
        self._client = plain_client(
            f"{parts.scheme}://{self._host}", connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS
        )

    async def send(self, telling: Telling) -> None:
        """Post the message. Raises `NotNow` or `Refused`."""
        await self._post(message(telling, self._base), f"notice {telling.notice.id}")

    async def try_out(self, at: datetime) -> None:
        """Post a message that is about no VM. Raises `NotNow` or `Refused`."""
        await self._post(trial(at), "test")

    async def close(self) -> None:
        """End the connections; nothing can be sent afterwards."""
        await self._client.close()

    async def _post(self, content: Message, what: str) -> None:
        text = json.dumps(self._body(content), ensure_ascii=False)
        request = HttpRequest(
            "POST", self._url, content=text.encode(), headers={"Content-Type": "application/json"}
        )
        try:
            await exchange(lambda: answer_to(request, self._client), seconds=SEND_SECONDS, once=True)
        except (AzureError, TimeoutError) as error:
            # Without what it came from, which knows the address.
            raise self._fault(what, error) from None

    def _fault(self, what: str, error: AzureError | TimeoutError) -> PortError:
        asked = f"webhook at {self._host}, {what}"
        fault = port_error(asked, error)
        fault.args, fault.code, fault.said = (f"{asked}: {self._told(error)}",), None, None
        return fault

    def _told(self, error: AzureError | TimeoutError) -> str:
        """What came of it. The address is blotted out first: of what is shortened, a part of it could remain."""
        if isinstance(error, HttpResponseError) and error.response is not None:
            answer = cast("AsyncHttpResponse", error.response).content.decode(errors="replace")
            quoted = f" {shown(self._blotted(answer), LONGEST_ANSWER)}" if answer else ""
            return f"HTTP {error.status_code}{quoted}"
        text = self._blotted(str(getattr(error, "message", "the time was up")))
        return f"no answer: {shorten(text, LONGEST_ANSWER, placeholder=' …')}"

    def _blotted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _secrets(url: SplitResult) -> list[str]:
    """What must not be told of an address, as it is and decoded, the longest first."""
    parts = [*url.path.split("/"), *re.split("[&=]", url.query)]
    secrets = {each for each in parts if len(each) >= _SHORTEST_SECRET}
    secrets |= {each for each in (url.password or "", url.path, f"{url.path}?{url.query}") if len(each) > 1}
    return sorted(secrets | {unquote(each) for each in secrets}, key=len, reverse=True)
