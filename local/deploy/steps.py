"""What the hooks of azure.yaml do, step by step. Each may be done again, and then changes nothing."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.identity.aio import AzureCliCredential

from local.deploy import sign_in, stacks, topics
from local.deploy.azure_cli import az, azd_env_set
from local.deploy.environment import GROUP_BEFORE, CannotDeploy, Environment
from local.deploy.graph import PUBLIC, Graph
from local.deploy.stacks import Stack
from local.doctor.arm import Arm
from shared.domain.ids import parse_subscription
from shared.domain.malformed import Malformed
from shared.ports import PortError
from shared.settings import PUBLIC_ARM

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

AGENT = "stopgap-deploy"
TRIES, PAUSE_SECONDS = 3, 60.0
"""How often a stack is tried: what was just granted takes Azure some minutes to heed."""

_GROUPS_VERSION = "2020-05-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The steps, with what they work on."""

    env: Environment
    say: Callable[[str], None]
    arm_endpoint: str = PUBLIC_ARM
    graph_endpoint: str = PUBLIC
    force: bool = False
    """Whether to remove what others rely on."""
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    async def subscriptions(self) -> None:
        """Find out which subscriptions are watched, and keep that for all that follows."""
        if not self.env.management_group:
            self.say(f"watching {_listed(self.env.subscriptions)}")
            return
        async with self._arm() as arm:
            ids = await _below(arm, self.env.management_group)
        azd_env_set("STOPGAP_SUBSCRIPTIONS", ",".join(ids))
        self.say(f"watching management group {self.env.management_group}: {_listed(ids)}")

    async def sign_in(self) -> None:
        """Register the app that people sign in by, unless they have keys or somebody registered one."""
        match self.env.optional("STOPGAP_SIGN_IN", "entra").lower():
            case "keys":
                if self.env.optional("STOPGAP_SIGN_IN_CLIENT_ID"):
                    azd_env_set("STOPGAP_SIGN_IN_CLIENT_ID", "")
                self.say("nobody signs in: who has a function key may call")
            case "entra":
                await self._register()
            case other:
                raise CannotDeploy(f"STOPGAP_SIGN_IN is malformed: expected entra or keys, got {other!r}")

    async def access(self) -> None:
        """Grant the app what it needs, and no more."""
        group, before = self.env.management_group, self.env.group_before
        if before and before != group:
            await self._delete(stacks.access_group(self.env, before))
            azd_env_set(GROUP_BEFORE, "")
        if group:
            azd_env_set(GROUP_BEFORE, group)
            await self._make(stacks.access_group(self.env, group, stacks.access_group_parameters(self.env)))
        await self._make(stacks.access(self.env, stacks.access_parameters(self.env)))
        may = "watch and deallocate" if self.env.flag("STOPGAP_ALLOW_DEALLOCATE") else "watch"
        self.say(f"the app may {may} VMs of {self.env.management_group or _listed(self.env.subscriptions)}")

    async def events(self) -> None:
        """Have Event Grid tell the app of each watched subscription."""
        async with self._arm() as arm:
            watched = [await topics.look(arm, each, self.env.topic_group) for each in self.env.subscriptions]
        for each in watched:
            for topic in filter(None, (each.resources_topic, each.health_topic)):
                self.say(f"using a system topic that is there already: {topic}")
        await self._make(stacks.events(self.env, stacks.events_parameters(self.env, watched)))
        self.say(f"Event Grid tells the app of {_listed(self.env.subscriptions)}")
        group = self.env.needed("AZURE_RESOURCE_GROUP")
        self.say(f"see that it does: .venv/bin/python -m local doctor --resource-group {group}")

    async def remove(self) -> None:
        """Remove all that is outside the resource group, which `azd down` deletes."""
        if not self.force and (held := await self._held()):
            raise CannotDeploy(
                "others get events by the system topics of this environment, and would no longer:\n  "
                + "\n  ".join(held)
                + "\nSee to them first; or remove all the same: .venv/bin/python -m local deploy remove --force"
            )
        await self._delete(stacks.events(self.env))
        await self._delete(stacks.access(self.env))
        for group in dict.fromkeys(filter(None, (self.env.management_group, self.env.group_before))):
            await self._delete(stacks.access_group(self.env, group))
        if self.env.optional("STOPGAP_SIGN_IN", "entra").lower() == "entra":
            await self._unregister()

    async def _held(self) -> list[str]:
        """What others have subscribed to, of topics that would go."""
        async with self._arm() as arm:
            return [
                other
                for each in self.env.subscriptions
                for other in await topics.others(arm, each, self.env.topic_group, self.env.name)
            ]

    async def _register(self) -> None:
        if theirs := self._theirs():
            self.say(f"people sign in by app registration {theirs}, which somebody else sees to")
            return
        async with self._graph() as graph:
            client_id = await sign_in.register(self.env, graph)
        if client_id != self.env.optional("STOPGAP_SIGN_IN_CLIENT_ID"):
            azd_env_set("STOPGAP_SIGN_IN_OURS", client_id)
            azd_env_set("STOPGAP_SIGN_IN_CLIENT_ID", client_id)
        self.say(f"people sign in by app registration {client_id}, once they have a role of it")

    async def _unregister(self) -> None:
        if theirs := self._theirs():
            self.say(f"left alone: app registration {theirs}, which somebody else sees to")
            return
        async with self._graph() as graph:
            gone = await sign_in.remove(self.env, graph)
        self.say(f"{'removed' if gone else 'not there'}: app registration {sign_in.unique_name(self.env)}")

    def _theirs(self) -> str:
        """The client id of a registration that is not ours; empty: there is none."""
        given = self.env.optional("STOPGAP_SIGN_IN_CLIENT_ID")
        return "" if given == self.env.optional("STOPGAP_SIGN_IN_OURS") else given

    async def _delete(self, stack: Stack) -> None:
        where = stack.management_group or stack.subscription
        if await asyncio.to_thread(az, stack.show(), missing_is_fine=True):
            await asyncio.to_thread(az, stack.delete())
            self.say(f"removed: stack {stack.name} of {where}, and all that it made")
        else:
            self.say(f"not there: stack {stack.name} of {where}")

    async def _make(self, stack: Stack) -> None:
        self.say(f"deploying stack {stack.name} by infra/{stack.template.name}: a minute or some")
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            file.write(stack.parameters_file())
            file.flush()
            for _ in range(TRIES - 1):
                try:
                    return await self._run(stack.create(Path(file.name)))
                except CannotDeploy as fault:
                    self.say(
                        f"{fault}\nonce more in {PAUSE_SECONDS:g} s: what was just granted takes a while to hold"
                    )
                    await self.pause(PAUSE_SECONDS)
            return await self._run(stack.create(Path(file.name)))

    async def _run(self, command: list[str]) -> None:
        await asyncio.to_thread(az, command)

    @asynccontextmanager
    async def _arm(self) -> AsyncIterator[Arm]:
        async with self._credential() as credential, Arm(credential, self.arm_endpoint, AGENT) as arm:
            try:
                yield arm
            except (PortError, Malformed) as fault:
                raise CannotDeploy(str(fault)) from None

    @asynccontextmanager
    async def _graph(self) -> AsyncIterator[Graph]:
        async with self._credential() as credential, Graph(credential, self.graph_endpoint) as graph:
            yield graph

    def _credential(self) -> "AsyncTokenCredential":
        """Whoever the Azure CLI is signed in as: it does the deployments, so it is to do the looks as well."""
        return AzureCliCredential()


STEPS: Mapping[str, tuple[Callable[[Steps], Coroutine[None, None, None]], str]] = {
    "subscriptions": (Steps.subscriptions, "find out which subscriptions are watched"),
    "sign-in": (Steps.sign_in, "register the app that people sign in by"),
    "access": (Steps.access, "grant the app its roles"),
    "events": (Steps.events, "have Event Grid tell the app"),
    "remove": (Steps.remove, "remove all that is outside the resource group"),
}
"""Each step by its name on the command line."""


async def _below(arm: Arm, group: str) -> list[str]:
    """The subscriptions of a management group, at any depth."""
    rows = await arm.listed(
        f"/providers/Microsoft.Management/managementGroups/{group}/descendants", _GROUPS_VERSION
    )
    ids = sorted(parse_subscription(str(row.get("name"))) for row in rows if _is_subscription(row))
    if not ids:
        raise CannotDeploy(f"management group {group} has no subscriptions, or none that you can see")
    return ids


def _is_subscription(row: Mapping[str, Any]) -> bool:
    return str(row.get("type", "")).lower().endswith("/subscriptions")


def _listed(ids: tuple[str, ...] | list[str]) -> str:
    return f"{len(ids)} subscription{'s' if len(ids) > 1 else ''}: {', '.join(ids)}"
