"""Credentials of people who have none, and of one who has."""

import time
from datetime import timedelta
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


class Somebody(Nobody):
    """A credential that gives `token 1`, `token 2` and so on."""

    def __init__(self, lasts: timedelta = timedelta(hours=24)) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self._lasts = lasts

    async def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        self.scopes.append(scopes)
        return AccessToken(f"token {len(self.scopes)}", int(time.time() + self._lasts.total_seconds()))
