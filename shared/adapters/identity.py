"""Who asks Azure, on azure-identity: the app's identity, or on a laptop whoever is signed in there.

It is imported when the first token is needed: it takes a third of a cold start. Over plain http, on loopback, none is.
"""

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
    from azure.identity.aio import DefaultAzureCredential


class Identity:
    """A credential as azure-core's policies want it, which is looked for when the first token is."""

    def __init__(self, client_id: str | None) -> None:
        """Look for nobody yet.

        Args:
            client_id: Of a user-assigned identity; None: the system's, or whoever is signed in.
        """
        self._client_id = client_id
        self._found: DefaultAzureCredential | None = None

    async def get_token(self, *scopes: str, **options: Any) -> "AccessToken":  # noqa: ANN401 - whatever policies give
        """A token for a service. Raises as azure-identity does."""
        return await self._credential().get_token(*scopes, **options)

    async def get_token_info(
        self, *scopes: str, options: "TokenRequestOptions | None" = None
    ) -> "AccessTokenInfo":
        """The same, with what else is known of it."""
        return await self._credential().get_token_info(*scopes, options=options)

    async def close(self) -> None:
        """End the connections."""
        if self._found:
            await self._found.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _credential(self) -> "DefaultAzureCredential":
        if self._found is None:
            from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - see above

            self._found = DefaultAzureCredential(managed_identity_client_id=self._client_id)
        return self._found
