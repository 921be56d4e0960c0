"""Credentials of people who have none."""

from typing import Self

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError


class Nobody:
    """A credential that must not be asked."""

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        raise AssertionError("asked for a token, over plain http")

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class LockedOut(Nobody):
    """A credential that has no token to give."""

    def __init__(self) -> None:
        self.scopes: list[tuple[str, ...]] = []

    async def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        self.scopes.append(scopes)
        raise ClientAuthenticationError("no managed identity\nwas found")
