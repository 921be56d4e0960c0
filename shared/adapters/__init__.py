"""Edge out: each module is a part of the outside world behind its port. They do not know each other.

What every ledger needs is here: how a listing goes on where the page before ended.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from shared.domain.ids import VmId, parse_vm_id
from shared.domain.malformed import Malformed, shown
from shared.ports import Query


def cursor(vm: VmId) -> str:
    """What a caller passes as `Query.after` to go on after this VM: opaque, and fit for a URL."""
    return urlsafe_b64encode(str(vm).encode()).decode()


def last_listed(query: Query) -> VmId | None:
    """The VM after which the listing goes on; None: from the beginning. `Malformed` when it is not a cursor."""
    if query.after is None:
        return None
    try:
        vm = parse_vm_id(urlsafe_b64decode(query.after).decode())
    except ValueError:
        vm = None
    # What is no text of base64 may decode all the same: it is left out.
    if vm is None or cursor(vm) != query.after or vm.subscription not in query.subscriptions:
        raise Malformed(f"next: expected the `next` of a page of this listing, got {shown(query.after)}")
    return vm
