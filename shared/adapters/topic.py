"""Notices to an Event Grid custom topic, as CloudEvents 1.0.

azure-eventgrid is imported when there is a first notice: most instances that start have none to give.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError

from shared.domain.malformed import Malformed
from shared.domain.telling import Telling
from shared.domain.views import notice_view, trial_view
from shared.exchange import exchange, port_error, sdk_transport
from shared.settings import endpoint as checked

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.eventgrid.aio import EventGridPublisherClient

CONNECT_SECONDS, READ_SECONDS, SEND_SECONDS = 3.0, 5.0, 8.0
"""Short: a look has come before, and a notice that was not sent is tried again by a later one."""


class TopicNotices:
    """`Notices` on a custom topic whose input schema is CloudEvents 1.0.

    An attempt whose answer is lost may have got through: the event's id is the same for every attempt.
    """

    def __init__(self, endpoint: str, credential: "AsyncTokenCredential") -> None:
        """Make no connection yet.

        Args:
            endpoint: The topic's address: https, or http on loopback (the simulated Azure). Else `ValueError`.
            credential: Whose token the topic gets; nobody's where the endpoint is plain http.
        """
        try:
            self._endpoint = checked(endpoint)
        except Malformed as fault:
            raise ValueError(f"STOPGAP_TOPIC_ENDPOINT: {fault}") from None
        # The SDK sends no token over plain http, and must not; it has no credential that sends nothing.
        plain = self._endpoint.startswith("http:")
        self._credential = AzureKeyCredential("loopback") if plain else credential

    @cached_property
    def _client(self) -> "EventGridPublisherClient":
        from azure.eventgrid.aio import EventGridPublisherClient  # noqa: PLC0415 - see above

        return EventGridPublisherClient(
            self._endpoint,
            self._credential,
            transport=sdk_transport(
                self._endpoint, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS
            ),
            retry_total=0,
        )

    async def send(self, telling: Telling) -> None:
        """Publish the notice. Raises `NotNow` or `Refused`."""
        await self._publish(notice_view(telling), f"notice {telling.notice.id}")

    async def try_out(self, at: datetime) -> None:
        """Publish an event of type `Stopgap.Test`. Raises `NotNow` or `Refused`."""
        await self._publish(trial_view(at), "test")

    async def close(self) -> None:
        """End the connections; nothing can be sent afterwards."""
        if "_client" in self.__dict__:
            await self._client.close()

    async def _publish(self, event: Mapping[str, object], what: str) -> None:
        """Publish what has the fields of a CloudEvent: the SDK knows it by them."""
        try:
            await exchange(lambda: self._client.send(dict(event)), seconds=SEND_SECONDS)
        except (AzureError, TimeoutError) as error:
            raise port_error(f"topic {self._endpoint}, {what}", error) from error
