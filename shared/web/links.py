"""Where things are: the addresses of a VM's page, of its JSON, and of what can be asked for. Paths, without a host."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from shared.domain.ids import VmId
from shared.domain.malformed import Malformed, shown

BACK = "dashboard"
"""What a form of the overview page says in its parameter `back`."""

DASHBOARD = "/api/dashboard"
"""The overview page."""


def page_path(vm: VmId) -> str:
    """A VM's page, which people see."""
    return f"{DASHBOARD}/{_parts(vm)}"


def vm_path(vm: VmId) -> str:
    """A VM's JSON; what can be asked for follows after a slash."""
    return f"/api/vms/{_parts(vm)}"


def after(vm: VmId, done: str, *, key: str | None, back: str | None) -> str:
    """Where a browser goes after a form was taken: to the VM's page, or back to the overview.

    Args:
        vm: What the form was about.
        done: What it asked for.
        key: The function key that was presented in the address.
        back: As `read_back` has it.
    """
    told = {"code": key, "done": done}
    return with_query(DASHBOARD, told | {"of": str(vm)}) if back else with_query(page_path(vm), told)


def read_back(text: str | None) -> str | None:
    """Where a form of ours says that it was sent from; None: from the VM's page. `Malformed` for anything else."""
    if text not in {None, BACK}:
        raise Malformed(f"back: expected {BACK}, got {shown(text)}")
    return text


def came_from(vm: VmId, *, key: str | None, back: str | None) -> tuple[str, str]:
    """The page that a form was sent from, and what it is called; the rest as in `after`."""
    path, name = (DASHBOARD, "dashboard") if back else (page_path(vm), "VM")
    return with_query(path, {"code": key}), name


def with_query(path: str, parameters: Mapping[str, str | None]) -> str:
    """The path with those parameters that there are."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{path}?{query}" if query else path


def _parts(vm: VmId) -> str:
    return "/".join(quote(part, safe="") for part in (vm.subscription, vm.resource_group, vm.name))
