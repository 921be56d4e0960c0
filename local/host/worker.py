"""Runs the functions of an app through ``azure_functions_runtime``, the library that runs them in Azure.

That library keeps its state in its modules, so there is one app per process.
"""

import json
import logging
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import azure_functions_runtime as runtime

from local.host import protos
from local.host.settings import is_disabled, resolve
from local.parts import CannotStart

TRIGGERS = ("httpTrigger", "eventGridTrigger", "queueTrigger", "timerTrigger")
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')

log = logging.getLogger("host")


class InvocationFailed(Exception):
    """A function raised: ``message`` is its type and text, ``stack`` the traceback."""

    def __init__(self, message: str, stack: str) -> None:
        super().__init__(message)
        self.message = message
        self.stack = stack


@dataclass(frozen=True)
class Function:
    """An indexed function; ``bindings`` as in a function.json, with every ``%NAME%`` replaced."""

    name: str
    id: str
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The binding that calls it."""
        return next(binding for binding in self.bindings if binding["type"] in TRIGGERS)


class Worker:
    """The app of this process: ``functions`` to choose from but for disabled ones, ``invoke`` to run one."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self.functions = functions
        self.running = 0
        """Invocations that have begun and not ended."""

    @classmethod
    async def start(cls, app: Path) -> Self:
        """Index the app in ``app``, which must be importable (on ``sys.path``) and the current directory.

        Raises:
            CannotStart: the app cannot be imported, or has something this host cannot serve.
        """
        runtime.start_threadpool_executor()
        start = protos.WorkerInitRequest(function_app_directory=str(app))
        response = await runtime.worker_init_request(
            SimpleNamespace(
                request=SimpleNamespace(worker_init_request=start), properties={"host": "", "protos": protos}
            )
        )
        if response.result.status != protos.StatusResult.Success:
            error = response.result.exception
            log.debug("%s", error.stack_trace)
            raise CannotStart(f"cannot load the functions of {app}: {_one_line(error, app)}")
        answer = await runtime.functions_metadata_request(None)
        if answer.function_metadata_results is None:
            raise CannotStart(
                f"cannot load the functions of {app}: it has no function_app.py, or no function in it"
            )
        found = answer.function_metadata_results
        return cls(
            tuple(_function(metadata) for metadata in found if not is_disabled(metadata.name, os.environ))
        )

    def triggered_by(self, kind: str) -> list[Function]:
        """The functions whose trigger is of this binding type."""
        return [function for function in self.functions if function.trigger["type"] == kind]

    async def invoke(
        self, function: Function, data: protos.TypedData, metadata: Mapping[str, protos.TypedData]
    ) -> protos.TypedData | None:
        """Run it once with ``data`` from its trigger; what it returned.

        Raises:
            InvocationFailed: it raised. It is logged here, once.
        """
        invocation = protos.InvocationRequest(
            invocation_id=str(uuid.uuid4()),
            function_id=function.id,
            input_data=[protos.ParameterBinding(name=function.trigger["name"], data=data)],
            trigger_metadata=metadata,
        )
        log.debug("%s %s: begins", function.name, invocation.invocation_id)
        self.running += 1
        try:
            response: protos.InvocationResponse = await runtime.invocation_request(
                SimpleNamespace(request=SimpleNamespace(invocation_request=invocation))
            )
        finally:
            self.running -= 1
        if error := response.result.exception:
            log.error(
                "%s %s: failed: %s", function.name, invocation.invocation_id, _one_line(error, Path.cwd())
            )
            log.debug("%s", error.stack_trace)
            raise InvocationFailed(error.message, error.stack_trace)
        log.debug("%s %s: succeeded", function.name, invocation.invocation_id)
        return response.return_value


def _function(metadata: protos.RpcFunctionMetadata) -> Function:
    owner = f"function {metadata.name}"
    if metadata.retry_options:
        log.warning("%s: its retry policy is not applied by this host", owner)
    bindings = [resolve(json.loads(binding), os.environ, owner) for binding in metadata.raw_bindings]
    for binding in bindings:
        if binding["type"] not in {*TRIGGERS, "http"}:
            kinds = ", ".join(TRIGGERS)
            raise CannotStart(
                f"{owner}: its binding {binding['type']} is not served here; only {kinds} and http are"
            )
    return Function(metadata.name, metadata.function_id, tuple(bindings))


def _one_line(error: protos.RpcException, app: Path) -> str:
    """What went wrong and, when it was in the app's own code, where."""
    # For a module that is not found the library appends a link and the whole sys.path.
    message, _, _ = error.message.partition(". Cannot find module. Please check")
    text = " ".join(message.split())
    frames = [frame for frame in _FRAME.findall(error.stack_trace) if Path(frame[0]).is_relative_to(app)]
    if not frames:
        return text
    path, line = frames[-1]
    return f"{text} ({Path(path).relative_to(app)}:{line})"
