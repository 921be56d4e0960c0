"""What benchmarks play on: storage, the simulated Azure, and the processes that are measured."""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import aiohttp

from benchmarks.floor import Floor
from local.azure.settings import DEFAULT_SUBSCRIPTION
from local.azurite import Azurite
from local.parts import ROOT, Child, plain_environment

LONGEST = 180.0
"""Seconds that one measurement may take."""

_LISTENING = re.compile(r"simulated Azure: listening on (http://\S+)")


class CannotMeasure(RuntimeError):
    """Something was not there, did not end, or did not do what it was to: what was measured says nothing."""


class Stage:
    """Azurite, the door that counts before it, and the simulated Azure, each a new process: nothing is in them yet."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self.storage = ""
        """The connection string of the storage account, by the door that counts."""
        self.arm = ""
        """Where the simulated Azure is."""
        self._storage_counts = ""

    async def __aenter__(self) -> Self:
        try:
            azurite = await self._stack.enter_async_context(Azurite())
            ports = {service: azurite.ports[service] for service in ("Queue", "Table")}
            door = await self._start("benchmarks.proxy", json.dumps(ports), ready=r"\{")
            told = json.loads(door)
            self.storage, self._storage_counts = told["connection_string"], told["counts"]
            self.arm = (await self._start("local", "azure", "--vms", "0", ready=_LISTENING.pattern)).split()[
                -1
            ]
            timeout = aiohttp.ClientTimeout(LONGEST)
            self._http = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
            # What operations do is what matters here, and not how long Azure takes for them.
            await self.steer("operation-seconds", {"seconds": 0})
            async with Floor(self.arm, self.storage) as floor:
                await floor.make()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def fleet(self, vms: int) -> list[str]:
        """Let there be so many VMs; their ids."""
        told = await self.steer("fleet", {"subscription": DEFAULT_SUBSCRIPTION, "count": vms})
        ids: list[str] = told["ids"]
        return ids

    async def steer(self, control: str, body: object) -> Any:
        """What the simulated Azure says to one of its controls."""
        async with self._http.post(f"{self.arm}/_sim/{control}", json=body) as answer:
            return await _good(answer)

    async def running(self, count: int) -> list[str]:
        """So many VMs that run, of a fleet in which others do not; their ids."""
        fleet = await self.fleet(2 * count)
        powers = await self.powers()
        return [each for each in fleet if powers[each.lower()] == "running"][:count]

    async def act(self, verb: str, ids: Sequence[str]) -> None:
        """Do something to VMs, and wait until it is done."""
        for each in ids:
            await self.steer(f"vms/{verb}", {"id": each})
        await self.steer("settle", {})

    async def forget(self, *tables: str) -> None:
        """Let the ledger be empty again, and other tables gone."""
        async with Floor(self.arm, self.storage) as floor:
            for table in tables:
                await floor.drop(table)
            await floor.make()

    async def powers(self) -> dict[str, str]:
        """The power state that each VM is in, by its lower-case id."""
        async with self._http.get(f"{self.arm}/_sim/powers") as answer:
            powers: dict[str, str] = (await _good(answer))["powers"]
        return powers

    async def measure(self, module: str, **parameters: object) -> Any:
        """What a process of its own tells of a measurement: `python -m benchmarks.{module} < PARAMETERS`."""
        told, _ = await self.run(module, parameters)
        return told

    async def run(
        self,
        module: str,
        parameters: Mapping[str, object],
        *,
        options: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> tuple[Any, str]:
        """The same, and what the process wrote on stderr.

        Args:
            module: Of the benchmarks.
            parameters: What it is told, beside where things are.
            options: Of Python.
            settings: What is in its environment, beside the app's settings.

        Raises:
            CannotMeasure: It failed, or did not end.
        """
        where = {"arm": self.arm, "storage": self.storage, "counts": self._storage_counts}
        told = {**where, "began": time.time(), **parameters}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *options,
            "-m",
            f"benchmarks.{module}",
            cwd=ROOT,
            env={**plain_environment(), **self.settings(), **(settings or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            words = json.dumps(told).encode()
            output, complaints = await asyncio.wait_for(process.communicate(words), LONGEST)
        except TimeoutError:
            raise CannotMeasure(f"benchmarks.{module} did not end within {LONGEST:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise CannotMeasure(f"benchmarks.{module}: exit code {process.returncode}\n{complaints.decode()}")
        return json.loads(output.splitlines()[-1]), complaints.decode()

    def counts(self) -> "Counts":
        """What is asked for, from here on."""
        return Counts(self._http, self.arm, self._storage_counts)

    def settings(self) -> dict[str, str]:
        """The app's."""
        return {
            "AzureWebJobsStorage": self.storage,
            "STOPGAP_SUBSCRIPTIONS": DEFAULT_SUBSCRIPTION,
            "STOPGAP_ARM_ENDPOINT": self.arm,
            "STOPGAP_PRICES_ENDPOINT": self.arm,
        }

    async def _start(self, *command: str, ready: str) -> str:
        """Start a program of this repository; the line that says that it is ready."""
        child = Child(command[0])
        self._stack.push_async_callback(child.stop)
        await child.start(
            [sys.executable, "-m", *command],
            environment=plain_environment(),
            ready=lambda line: re.match(ready, line) is not None,
        )
        return child.lines[-1]


class Counts:
    """Requests to ARM and to storage, by what they asked for, as those who answer them count."""

    def __init__(self, http: aiohttp.ClientSession, arm: str, storage: str) -> None:
        """Count from the first `since` on.

        Args:
            http: To ask with.
            arm: Where the simulated Azure is.
            storage: Where the door before storage tells its counts.
        """
        self._http = http
        self._arm, self._storage = f"{arm}/_sim/counts", storage
        self._before = Counter[str]()

    async def since(self) -> Counter[str]:
        """Requests since this was last asked: `arm get 200`, `storage read`."""
        async with self._http.get(self._arm) as answer:
            operations = (await _good(answer))["counts"]
        async with self._http.get(self._storage) as answer:
            kinds = await _good(answer)
        now = Counter[str]({f"storage {kind}": count for kind, count in kinds.items()})
        for operation, statuses in operations.items():
            now |= {f"arm {operation} {status}": count for status, count in statuses.items()}
        found, self._before = now - self._before, now
        return found


def arm_requests(counts: Mapping[str, int]) -> int:
    """How many requests to ARM there were."""
    return sum(count for what, count in counts.items() if what.startswith("arm "))


def storage_requests(counts: Mapping[str, int]) -> int:
    """How many requests to storage there were."""
    return sum(count for what, count in counts.items() if what.startswith("storage "))


async def _good(answer: aiohttp.ClientResponse) -> Any:
    if answer.status >= 300:
        raise CannotMeasure(f"{answer.url}: {answer.status} {await answer.text()}")
    return await answer.json()
