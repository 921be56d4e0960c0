"""Azure Resource Manager, only read."""

from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from shared.domain.malformed import Malformed, shown
from shared.exchange import answer_to, exchange, leads_to, port_error, read_json
from shared.transport import Transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

CONNECT_SECONDS, READ_SECONDS, REQUEST_SECONDS = 5.0, 8.0, 10.0
"""For a page, the last with its tries."""

PAGES = 20
"""What doctor asks for is a handful of rows: more pages are no answer to it."""

type Row = dict[str, Any]


def mend_of(endpoint: str) -> str:
    """What to do when ARM gives no answer, or none of ARM's."""
    if endpoint.startswith("http:"):
        port = urlsplit(endpoint).port
        return f"is the simulated Azure up? .venv/bin/python -m local azure --port {port}"
    return f"is STOPGAP_ARM_ENDPOINT right, and does this machine reach it? curl -sI {endpoint}"


class Arm:
    """Lists of ARM's. Redirects and links that lead elsewhere are not followed: the token is for ARM alone."""

    def __init__(
        self, credential: "AsyncTokenCredential", endpoint: str, agent: str = "stopgap-doctor"
    ) -> None:
        """Make no connection yet.

        Args:
            credential: Whose token ARM gets; nobody's where the endpoint is plain http.
            endpoint: ARM's address, as the settings have it.
            agent: Who asks, as ARM's logs have it.
        """
        self._endpoint = endpoint
        policies: list[object] = [UserAgentPolicy(base_user_agent=agent)]
        if endpoint.startswith("https:"):
            policies.append(AsyncARMChallengeAuthenticationPolicy(credential, f"{endpoint}/.default"))
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            endpoint,
            transport=Transport(endpoint, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS),
            policies=policies,
        )

    async def listed(self, path: str, api_version: str) -> list[Row]:
        """The rows of a list, all its pages. Raises `NotNow`, `Refused` or `Malformed`."""
        asked = f"ARM, GET {path}"
        rows, url = list[Row](), f"{self._endpoint}{path}?api-version={api_version}"
        for _ in range(PAGES):
            page = await self._page(asked, url)
            rows += page["value"]
            link = page.get("nextLink")
            if not link:
                return rows
            if not isinstance(link, str) or not leads_to(link, self._endpoint):
                raise Malformed(f"{asked}: expected nextLink to be on {self._endpoint}, got {shown(link)}")
            url = link
        raise Malformed(f"{asked}: expected at most {PAGES} pages, got another: {shown(url)}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def _page(self, asked: str, url: str) -> Row:
        try:
            attempt = partial(answer_to, HttpRequest("GET", url), self._client)
            response = await exchange(attempt, seconds=REQUEST_SECONDS)
        except (AzureError, TimeoutError) as error:
            raise port_error(asked, error) from error
        try:
            page = read_json(response, "ARM")
        except Malformed as fault:
            raise Malformed(f"{asked}: {fault}") from None
        rows = page.get("value") if isinstance(page, dict) else None
        if (
            not isinstance(page, dict)
            or not isinstance(rows, list)
            or not all(isinstance(r, dict) for r in rows)
        ):
            raise Malformed(f"{asked}: expected a page of objects in `value`, got {shown(page)}")
        return page
