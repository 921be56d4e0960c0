"""Where things are: the addresses of a VM's page, of its JSON, and of what can be asked for. Paths, without a host."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from shared.domain.ids import VmId


def page_path(vm: VmId) -> str:
    """A VM's page, which people see."""
    return f"/api/dashboard/{_parts(vm)}"


def vm_path(vm: VmId) -> str:
    """A VM's JSON; what can be asked for follows after a slash."""
    return f"/api/vms/{_parts(vm)}"


def with_query(path: str, parameters: Mapping[str, str | None]) -> str:
    """The path with those parameters that there are."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{path}?{query}" if query else path


def _parts(vm: VmId) -> str:
    return "/".join(quote(part, safe="") for part in (vm.subscription, vm.resource_group, vm.name))
