"""Plain classes with the fields of the Azure Functions worker protocol.

The worker library is handed its protobuf classes by its host, so that it need not depend on protobuf itself;
nothing crosses a wire here, so these serve. Names, field names and numbers are those of FunctionRpc.proto in
github.com/Azure/azure-functions-language-worker-protobuf, as far as the library uses them.
"""
# ruff: noqa: D101 - the protocol's own definition documents its messages

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


class TypedData:
    """One value of one kind: ``TypedData(json="{}")``; ``TypedData()`` is no value.

    As in protobuf the kinds are alternatives, and only the attribute of the kind that was given exists.
    """

    string: str
    json: str
    bytes: builtins.bytes
    int: builtins.int
    double: float
    http: "RpcHttp"

    def __init__(self, **alternative: Any) -> None:  # noqa: ANN401 - its type follows from its kind
        if len(alternative) > 1:
            raise TypeError(f"one kind of data at a time, not {', '.join(alternative)}")
        self.__dict__.update(alternative)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        """The kind of the value, None when there is none."""
        return next(iter(self.__dict__), None)


@dataclass(slots=True)
class RpcHttp:
    """An HTTP request (method, url, params, query) or response (status_code, cookies)."""

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: TypedData = field(default_factory=TypedData)
    status_code: str = "200"
    cookies: "Sequence[RpcHttpCookie] | None" = None
    enable_content_negotiation: bool = False


@dataclass(slots=True)
class NullableString:
    value: str


@dataclass(slots=True)
class NullableBool:
    value: bool


@dataclass(slots=True)
class NullableDouble:
    value: float


@dataclass(slots=True)
class Timestamp:
    seconds: int


@dataclass(slots=True)
class NullableTimestamp:
    value: Timestamp


class _SameSite:
    """``None`` (the default: no attribute) is a keyword of Python, so it is set below by name."""

    Lax = 1
    Strict = 2
    ExplicitNone = 3


setattr(_SameSite, "None", 0)


@dataclass(slots=True)
class RpcHttpCookie:
    """One Set-Cookie of a response; an attribute that is None was not given."""

    SameSite: ClassVar = _SameSite

    name: str
    value: str
    domain: NullableString | None = None
    path: NullableString | None = None
    expires: NullableTimestamp | None = None
    secure: NullableBool | None = None
    http_only: NullableBool | None = None
    same_site: int = 0
    max_age: NullableDouble | None = None


@dataclass(slots=True)
class RpcException:
    message: str
    stack_trace: str = ""
    source: str = ""


@dataclass(slots=True)
class StatusResult:
    Failure: ClassVar = 0
    Success: ClassVar = 1

    status: int
    exception: RpcException | None = None


@dataclass(slots=True)
class WorkerMetadata:
    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: Mapping[str, str]


@dataclass(slots=True)
class WorkerInitRequest:
    function_app_directory: str
    capabilities: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class WorkerInitResponse:
    capabilities: Mapping[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass(slots=True)
class BindingInfo:
    undefined: ClassVar = 0
    string: ClassVar = 1
    binary: ClassVar = 2
    stream: ClassVar = 3

    out: ClassVar = 1
    inout: ClassVar = 2

    type: str
    data_type: int | None
    direction: int


@dataclass(slots=True)
class RpcRetryOptions:
    max_retry_count: int
    retry_strategy: str
    delay_interval: Any = None
    minimum_interval: Any = None
    maximum_interval: Any = None


@dataclass(slots=True)
class RpcFunctionMetadata:
    """One indexed function; ``raw_bindings`` are JSON objects as text, as in a function.json."""

    name: str
    function_id: str
    managed_dependency_enabled: bool
    directory: str
    script_file: str
    entry_point: str
    is_proxy: bool
    language: str
    bindings: Mapping[str, BindingInfo]
    raw_bindings: Sequence[str]
    retry_options: RpcRetryOptions | None
    properties: Mapping[str, str]


@dataclass(slots=True)
class FunctionMetadataResponse:
    use_default_metadata_indexing: bool
    function_metadata_results: Sequence[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass(slots=True)
class ParameterBinding:
    name: str
    data: TypedData

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        """The only kind there is here (the other is shared memory)."""
        return "data"


@dataclass(slots=True)
class RpcTraceContext:
    trace_parent: str = ""
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RetryContext:
    retry_count: int = 0
    max_retry_count: int = 0
    exception: RpcException | None = None


@dataclass(slots=True)
class InvocationRequest:
    invocation_id: str
    function_id: str
    input_data: Sequence[ParameterBinding]
    trigger_metadata: Mapping[str, TypedData]
    trace_context: RpcTraceContext = field(default_factory=RpcTraceContext)
    retry_context: RetryContext = field(default_factory=RetryContext)


@dataclass(slots=True)
class InvocationResponse:
    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: Sequence[ParameterBinding] = ()
