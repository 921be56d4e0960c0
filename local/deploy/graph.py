"""Microsoft Graph: what it takes to register an app that people sign in by. Each request may be made again.

Source: the REST reference of applications, "Upsert application" and its siblings (learn.microsoft.com/graph/api),
v1.0: an object is named by a key of our own, and made where it is missing.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from local.deploy.environment import CannotDeploy
from shared.domain.malformed import Malformed, shown
from shared.exchange import answer_to, exchange, read_json
from shared.transport import Transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

PUBLIC = "https://graph.microsoft.com"
CONNECT_SECONDS, READ_SECONDS, REQUEST_SECONDS = 5.0, 20.0, 40.0

type Row = dict[str, Any]


class Graph:
    """The directory."""

    def __init__(self, credential: "AsyncTokenCredential", endpoint: str = PUBLIC) -> None:
        """Make no connection yet; the token goes to https alone."""
        policies: list[object] = [UserAgentPolicy(base_user_agent="stopgap-deploy")]
        if endpoint.startswith("https:"):
            policies.append(AsyncBearerTokenCredentialPolicy(credential, f"{endpoint}/.default"))
        self._endpoint = endpoint
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            endpoint,
            transport=Transport(endpoint, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS),
            policies=policies,
        )

    async def get(self, path: str) -> Row | None:
        """An object; None where there is none of that name."""
        return await self._ask("GET", path)

    async def put(self, path: str, body: Row) -> None:
        """Make an object be so: made where it is missing, else changed."""
        await self._ask("PATCH", path, body, {"Prefer": "create-if-missing"})

    async def post(self, path: str, body: Row) -> Row | None:
        """Add an object to a list."""
        return await self._ask("POST", path, body)

    async def delete(self, path: str) -> None:
        """Delete an object. Where there is none, nothing is to be done."""
        await self._ask("DELETE", path)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def _ask(
        self, method: str, path: str, body: Row | None = None, headers: dict[str, str] | None = None
    ) -> Row | None:
        request = HttpRequest(method, f"{self._endpoint}/v1.0{path}", json=body, headers=headers)
        try:
            response = await exchange(
                partial(answer_to, request, self._client), seconds=REQUEST_SECONDS, once=method == "POST"
            )
        except HttpResponseError as error:
            if error.status_code == 404 and method in {"GET", "DELETE"}:
                return None
            raise CannotDeploy(_told(method, path, error)) from None
        except (AzureError, TimeoutError) as error:
            raise CannotDeploy(f"Microsoft Graph, {method} {path}: {error or 'no answer in time'}") from None
        if not response.content:
            return None
        try:
            answer = read_json(response, "Microsoft Graph")
        except Malformed as fault:
            raise CannotDeploy(f"{method} {path}: {fault}") from None
        if not isinstance(answer, dict):
            raise CannotDeploy(f"Microsoft Graph, {method} {path}: expected an object, got {shown(answer)}")
        return answer


def _told(method: str, path: str, error: HttpResponseError) -> str:
    if error.status_code is None:
        return f"Microsoft Graph, {method} {path}: no token to ask with: {error.message}"
    hint = ""
    if error.status_code in {401, 403}:
        hint = (
            '\nWhoever deploys may not register apps. Have somebody do it who may (docs/deploy.md, "Signing in") and '
            "azd env set STOPGAP_SIGN_IN_CLIENT_ID <its client id>; or do without: azd env set STOPGAP_SIGN_IN keys"
        )
    return f"Microsoft Graph, {method} {path}: HTTP {error.status_code}: {error.message}{hint}"
