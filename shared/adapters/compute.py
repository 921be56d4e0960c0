"""Azure Resource Manager: VMs are looked at, one by one or all together, and deallocated.

Looks go through azure-core's pipeline, with ARM's own policy for tokens: azure-mgmt-compute would make a model of each
answer, which takes more time than all the rest, and is itself most of a cold start. Deallocations, which are rare,
are left to it.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError, DecodeError, HttpResponseError
from azure.core.pipeline.policies import AsyncHTTPPolicy, RequestIdPolicy, UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core.exceptions import ARMErrorFormat
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from shared import metrics
from shared.domain.fleet import Join, Sighted, VmsJson, read_page
from shared.domain.ids import ScaleSetId, VmId
from shared.domain.malformed import Malformed, shown
from shared.domain.observations import Gone, Observation, VmJson, read_vm
from shared.exchange import USER_AGENT, exchange, next_page, port_error, read_json
from shared.ports import Busy, Clock, PortError, Refused
from shared.settings import PUBLIC_ARM
from shared.settings import endpoint as checked
from shared.transport import Transport

if TYPE_CHECKING:
    from datetime import datetime

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline import PipelineRequest, PipelineResponse
    from azure.mgmt.compute.aio import ComputeManagementClient

READ = "Microsoft.Compute/virtualMachines/read"
READ_INSTANCE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read"
"""The one permission that a look needs: at a VM, and at an instance of a Uniform scale set."""

READ_SETS = "Microsoft.Compute/virtualMachineScaleSets/read"
"""The one that a sweep needs besides."""
DEALLOCATE = "Microsoft.Compute/virtualMachines/deallocate/action"
DEALLOCATE_INSTANCE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/deallocate/action"
"""The one that a deallocation needs."""

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
LOOK_SECONDS = 20.0
"""For a whole look, token and tries included: Event Grid waits 30 s for what else there is to do as well."""
DEALLOCATE_SECONDS = 20.0
"""For Azure's answer to a deallocation, which comes before it is done; token included."""

LIST_SECONDS = 60.0
"""For one page of a list, token and tries included: pages can be large, and nobody waits for a sweep."""

REMAINING = "x-ms-ratelimit-remaining-subscription-reads"
API_VERSION = "2026-04-01"
"""The default of azure-mgmt-compute 39."""


_VMS = "Microsoft.Compute/virtualMachines"
_SETS = "Microsoft.Compute/virtualMachineScaleSets"
_OPERATIONS = {
    ("virtualmachines", 1): "list_vms",
    ("virtualmachines", 2): "get_vm",
    ("virtualmachines/deallocate", 3): "deallocate_vm",
    ("virtualmachinescalesets", 1): "list_scale_sets",
    ("virtualmachinescalesets/virtualmachines", 3): "list_instances",
    ("virtualmachinescalesets/virtualmachines", 4): "get_instance",
    ("virtualmachinescalesets/virtualmachines/deallocate", 5): "deallocate_instance",
}
"""By the types in a request's address, and how many parts it has with the names."""

_GONE = ("ResourceNotFound", "ResourceGroupNotFound", "NotFound")
_INSTANCE_GONE = (*_GONE, "ParentResourceNotFound")
_NO_INSTANCE = "is not an active virtual machine scale set vm instanceid"


class ComputeVms:
    """`VmSource`, `Fleet` and `Deallocator` on ARM: a look is one request, and so is a page; all on one session."""

    def __init__(
        self,
        credential: "AsyncTokenCredential",
        *,
        endpoint: str = PUBLIC_ARM,
        clock: Clock,
        told: Callable[[str, int], None] = lambda _, __: None,
        agent: str = USER_AGENT,
    ) -> None:
        """Make no connection yet.

        Args:
            credential: Whose token ARM gets; nobody's where the endpoint is plain http.
            endpoint: ARM's address: https, or http on loopback (the simulated Azure). Else `ValueError`.
            clock: The time.
            told: Told of each subscription how many reads ARM says are left.
            agent: Who asks, as ARM's logs have it.
        """
        try:
            self._endpoint = checked(endpoint)
        except Malformed as fault:
            raise ValueError(f"STOPGAP_ARM_ENDPOINT: {fault}") from None
        self._credential = credential
        self._clock = clock
        self._told = told
        self._agent = agent
        self._headers = {"Accept": "application/json", "User-Agent": agent}
        self._transport = Transport(
            self._endpoint, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS
        )
        self._reader: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            self._endpoint, transport=self._transport, policies=self._policies()
        )
        self._writers: dict[str, ComputeManagementClient] = {}

    async def look(self, vm: VmId) -> Observation | Gone:
        """One look at one VM, model and instance view together. Raises as `VmSource.look` says."""
        observed_at = self._clock()
        try:
            response = await exchange(lambda: self._get(vm), seconds=LOOK_SECONDS)
        except (AzureError, TimeoutError) as error:
            if _is_gone(vm, error):
                return Gone(vm, observed_at)
            raise _fault(vm, error) from error
        try:
            return read_vm(vm, _vm_body(response), observed_at)
        except Malformed as fault:
            raise Malformed(f"{vm}: {fault}") from None

    async def sight(self, subscription: str) -> AsyncIterator[Sighted]:
        """All VMs, by three lists: states, models, scale sets; and one of each Uniform set's instances."""
        join = Join(subscription)
        vms = f"/subscriptions/{subscription}/providers/{_VMS}"
        async for rows, asked_at in self._pages(vms, READ, {"statusOnly": "true"}):
            yield Sighted((), faults=join.add_states(rows, asked_at))
        async for rows, _ in self._pages(vms, READ, {}):
            yield join.models(rows)
        yield Sighted((), unclear=join.rest())
        async for rows, _ in self._pages(
            f"/subscriptions/{subscription}/providers/{_SETS}", READ_SETS, {}, None
        ):
            sets = join.sets(rows)
            yield Sighted((), faults=sets.faults)
            for scale_set in sets.uniform:
                async for sighted in self._instances(scale_set, join):
                    yield sighted

    async def _instances(self, scale_set: ScaleSetId, join: Join) -> AsyncIterator[Sighted]:
        """The instances of a Uniform set. One that has gone since it was listed has none to show."""
        group = f"/subscriptions/{scale_set.subscription}/resourceGroups/{scale_set.resource_group}"
        path = f"{group}/providers/{_SETS}/{scale_set.name}/virtualMachines"
        try:
            async for rows, asked_at in self._pages(path, READ_INSTANCE, {"$expand": "instanceView"}):
                yield join.instances(rows, asked_at)
        except Refused as fault:
            if fault.code not in _INSTANCE_GONE:
                raise

    async def _pages(
        self, path: str, action: str, query: Mapping[str, str], like: type | None = VmsJson
    ) -> AsyncIterator[tuple[list[Mapping[str, object]], "datetime"]]:
        """The rows of a list, page by page, and when each was asked for.

        Read as JSON: the SDK would make a model object of each row, which takes more time than all the rest.

        Args:
            path: Of the list.
            action: The permission that it takes.
            query: What is asked besides.
            like: What is read of a page.
        """
        subscription = path.split("/")[2]
        url = f"{self._endpoint}{quote(path)}?{urlencode({**query, 'api-version': API_VERSION}, safe='$')}"
        asked = set[str]()
        while True:
            asked.add(url)
            asked_at = self._clock()
            try:
                # A large page takes Azure its time: of the timeouts, only that of the whole exchange holds.
                response = await exchange(partial(self._ask, url, LIST_SECONDS), seconds=LIST_SECONDS)
            except (AzureError, TimeoutError) as error:
                raise _list_fault(path, action, error) from error
            self._hear(subscription, response)
            with _told_of(path):
                page = read_page(read_json(response, "ARM", like))
            yield page.rows, asked_at
            if page.next is None:
                return
            with _told_of(path):
                url = next_page(self._endpoint, page.next)
                if url in asked:
                    raise Malformed(f"expected the next page to be another one, got {shown(page.next)}")

    async def deallocate(self, vm: VmId) -> None:
        """One POST, never sent twice: whoever wants it again has to look again first. Raises as the port says."""
        try:
            await exchange(lambda: self._begin_deallocate(vm), seconds=DEALLOCATE_SECONDS, once=True)
        except (AzureError, TimeoutError) as error:
            raise _not_deallocated(vm, error) from error

    async def close(self) -> None:
        """End the connections; no look can be had afterwards."""
        await self._transport.close()

    async def _get(self, vm: VmId) -> AsyncHttpResponse:
        """ARM's answer, read to its end; `HttpResponseError` for any but a good one."""
        url = f"{self._endpoint}{quote(str(vm))}?$expand=instanceView&api-version={API_VERSION}"
        response = await self._ask(url)
        self._hear(vm.subscription, response)
        return response

    async def _ask(self, url: str, read_seconds: float | None = None) -> AsyncHttpResponse:
        request = HttpRequest("GET", url, headers=self._headers)
        response = await self._reader.send_request(request, read_timeout=read_seconds)
        if response.status_code != 200:
            raise HttpResponseError(response=response, error_format=ARMErrorFormat)
        return response

    def _hear(self, subscription: str, response: AsyncHttpResponse) -> None:
        """What ARM says is left; no word, or one that is no number, is none."""
        remaining = response.headers.get(REMAINING, "")
        if remaining.isdecimal():
            metrics.ARM_READS_REMAINING.add(int(remaining))
            self._told(subscription, int(remaining))

    async def _begin_deallocate(self, vm: VmId) -> None:
        """Without polling: looks tell what comes of it."""
        client = self._writer(vm.subscription)
        try:
            if vm.instance:
                await client.virtual_machine_scale_set_vms.begin_deallocate(
                    vm.resource_group, *vm.instance, polling=False
                )
            else:
                await client.virtual_machines.begin_deallocate(vm.resource_group, vm.name, polling=False)
        except ValueError as error:  # the SDK takes `Retry-After` for a whole number, which may be a date
            raise DecodeError(f"an answer that cannot be read: {error}") from error

    def _writer(self, subscription: str) -> "ComputeManagementClient":
        client = self._writers.get(subscription)
        if client is None:
            from azure.mgmt.compute.aio import ComputeManagementClient  # noqa: PLC0415 - most instances never need it

            client = self._writers[subscription] = ComputeManagementClient(
                self._credential,
                subscription,
                self._endpoint,
                transport=self._transport,
                policies=[RequestIdPolicy(), UserAgentPolicy(base_user_agent=self._agent), *self._policies()],
            )
        return client

    def _policies(self) -> list[object]:
        """What a request goes through, for one client: each needs its own.

        Less than the SDK would put it through: no retries (see `shared.exchange`), no redirects, no registering of
        a resource provider that ARM says is missing (a write, from a part that must only read), and no log of
        every request and response.
        """
        policies: list[object] = []
        if self._endpoint.startswith("https:"):
            # Not in the clear: on loopback nobody asks for a token, and nobody gets one.
            scope = f"{self._endpoint}/.default"
            policies.append(AsyncARMChallengeAuthenticationPolicy(self._credential, scope))
        return [*policies, _Counted()]


class _Counted(AsyncHTTPPolicy["HttpRequest", AsyncHttpResponse]):
    """Counts each request as it is sent, and how it was answered."""

    async def send(
        self, request: "PipelineRequest[HttpRequest]"
    ) -> "PipelineResponse[HttpRequest, AsyncHttpResponse]":
        """Send the request on."""
        status = "none"
        try:
            response = await self.next.send(request)
            status = str(response.http_response.status_code)
        finally:
            metrics.ARM_CALLS.add(operation=operation(request.http_request.url), status=status)
        return response


def operation(url: str) -> str:
    """What a request to Compute is called in metrics, by its address."""
    path = url.partition("?")[0].lower().partition("/providers/microsoft.compute/")[2]
    parts = path.split("/")
    return _OPERATIONS.get(("/".join(parts[::2]), len(parts)), "other")


@contextmanager
def _told_of(path: str) -> Iterator[None]:
    """What is malformed, with the list that it is in."""
    try:
        yield
    except Malformed as fault:
        raise Malformed(f"ARM, GET {path}: {fault}") from None


def _list_fault(path: str, action: str, error: AzureError | TimeoutError) -> PortError:
    fault = port_error(f"ARM, GET {path}", error)
    if isinstance(error, HttpResponseError) and error.status_code == 403:
        return Refused(f"{fault} (who asks needs {action} on subscription {path.split('/')[2]})")
    return fault


def _is_gone(vm: VmId, error: Exception) -> bool:
    """Whether Azure itself says that there is no such VM.

    Any other 404 is no such fact: a subscription that was moved or that the identity lost sight of
    (`SubscriptionNotFound`), a proxy's page, a wrong endpoint. A VM taken for gone would end its episode.

    `NotFound` is Compute's own word, where ARM still knows what Compute has deleted (apcera/libretto#54).

    Of an instance, two more answers are certain. ARM says 404 `ParentResourceNotFound` where the set is gone.
    Where the set is there, ARM does not know its instances and Compute answers; its word for an id that is none is
    `InvalidParameter`, "The provided instanceId 3 is not an active Virtual Machine Scale Set VM instanceId", with
    400. Public records show that for writes; for a GET there is none, so any other answer is left an error.
    """
    if not isinstance(error, HttpResponseError) or error.error is None:
        return False
    code, text = error.error.code, str(error.error.message).lower()
    if error.status_code == 404 and code in _codes(vm):
        return True
    told = vm.instance and error.status_code in {400, 404} and code == "InvalidParameter"
    return bool(told) and _NO_INSTANCE in text


def _codes(vm: VmId) -> tuple[str, ...]:
    """The codes of a 404 that mean that the VM is gone."""
    return _INSTANCE_GONE if vm.instance else _GONE


def _fault(vm: VmId, error: AzureError | TimeoutError) -> PortError:
    fault = port_error(f"ARM, GET {vm}", error)
    match error:
        case HttpResponseError(status_code=403):
            action = READ_INSTANCE if vm.instance else READ
            return Refused(f"{fault} (who asks needs {action} on subscription {vm.subscription})")
        case HttpResponseError(status_code=404):
            expected = " or ".join(_codes(vm))
            return Refused(f"{fault} (not taken for a VM that is gone: expected {expected})")
    return fault


def _not_deallocated(vm: VmId, error: AzureError | TimeoutError) -> PortError:
    """What Azure's answer means for another try.

    409 tells that another operation is under way or that the state forbids it, both of which pass; but for a lock
    (`ScopeLocked`), which somebody has put there and has to take away. What is gone the next look will tell.
    """
    fault = port_error(f"ARM, POST {vm}/deallocate", error)
    told = fault
    match error:
        case HttpResponseError(status_code=403):
            action = DEALLOCATE_INSTANCE if vm.instance else DEALLOCATE
            told = Refused(f"{fault} (who asks needs {action} on subscription {vm.subscription})")
        case HttpResponseError(status_code=404 | 409) if fault.code != "ScopeLocked":
            told = Busy(str(fault))
        case _ if _is_gone(vm, error):
            told = Busy(str(fault))
    told.code, told.said = fault.code, fault.said
    return told


def _vm_body(response: AsyncHttpResponse) -> object:
    body = read_json(response, "ARM", VmJson)
    # Read as a VM, an object of another kind would be one without a power state: unknown, not wrong.
    if not isinstance(body, dict) or "properties" not in body:
        raise Malformed(f"ARM's answer: expected a VM with its `properties`, got {shown(body)}")
    return body
