"""Azure Resource Manager: its lists, and the few other requests that doctor has for it."""

import asyncio
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
from shared.ports import Unavailable
from shared.transport import Transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

CONNECT_SECONDS, READ_SECONDS, REQUEST_SECONDS = 5.0, 8.0, 10.0
"""For a page, the last with its tries."""

REMOVAL_SECONDS, REMOVAL_PAUSE = 30.0, 1.0
"""For a removal that ARM does not do at once, and between two questions after it."""

AGENT = "stopgap-doctor"
"""Who asks, as Azure's logs have it."""

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
    """ARM, as doctor asks it. Redirects and links that lead elsewhere are not followed: the token is for ARM alone."""

    def __init__(self, credential: "AsyncTokenCredential", endpoint: str, agent: str = AGENT) -> None:
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
        rows, url = list[Row](), self._url(path, api_version)
        for _ in range(PAGES):
            page = await self._page(asked, HttpRequest("GET", url))
            rows += page["value"]
            link = page.get("nextLink")
            if not link:
                return rows
            if not isinstance(link, str) or not leads_to(link, self._endpoint):
                raise Malformed(f"{asked}: expected nextLink to be on {self._endpoint}, got {shown(link)}")
            url = link
        raise Malformed(f"{asked}: expected at most {PAGES} pages, got another: {shown(url)}")

    async def asked(self, method: str, path: str, api_version: str, body: object = None) -> Row:
        """The object that ARM answers. Raises `NotNow`, `Refused` or `Malformed`."""
        request = HttpRequest(method, self._url(path, api_version), json=body)
        return await self._object(f"ARM, {method} {path}", request)

    async def removed(self, path: str, api_version: str) -> None:
        """Remove what is there, and return when it is gone. Raises `NotNow`, `Refused` or `Malformed`."""
        asked, request = f"ARM, DELETE {path}", HttpRequest("DELETE", self._url(path, api_version))
        loop = asyncio.get_running_loop()
        until = loop.time() + REMOVAL_SECONDS
        link = ""
        while (answer := await self._answer(asked, request)).status_code == 202:
            link = answer.headers.get("Location", link)
            if not leads_to(link, self._endpoint):
                raise Malformed(f"{asked}: expected Location to be on {self._endpoint}, got {shown(link)}")
            if loop.time() > until:
                raise Unavailable(f"{asked}: not done within {REMOVAL_SECONDS:g} s")
            request = HttpRequest("GET", link)
            await asyncio.sleep(REMOVAL_PAUSE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    def _url(self, path: str, api_version: str) -> str:
        return f"{self._endpoint}{path}?api-version={api_version}"

    async def _page(self, asked: str, request: HttpRequest) -> Row:
        page = await self._object(asked, request)
        rows = page.get("value")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Malformed(f"{asked}: expected a page of objects in `value`, got {shown(page)}")
        return page

    async def _object(self, asked: str, request: HttpRequest) -> Row:
        response = await self._answer(asked, request)
        try:
            value = read_json(response, "ARM")
        except Malformed as fault:
            raise Malformed(f"{asked}: {fault}") from None
        if not isinstance(value, dict):
            raise Malformed(f"{asked}: expected an object, got {shown(value)}")
        return value

    async def _answer(self, asked: str, request: HttpRequest) -> AsyncHttpResponse:
        try:
            return await exchange(partial(answer_to, request, self._client), seconds=REQUEST_SECONDS)
        except (AzureError, TimeoutError) as error:
            raise port_error(asked, error) from error
