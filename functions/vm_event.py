"""Event Grid: something may have happened to a VM."""

import azure.functions as func

from shared import bootstrap
from shared.domain.signals import Event

blueprint = func.Blueprint()


@blueprint.function_name("vm_event")
@blueprint.event_grid_trigger(arg_name="event")
async def vm_event(event: func.EventGridEvent) -> None:
    """Look at the VM that an event names. A failure makes Event Grid deliver the event again."""
    with bootstrap.measured:
        await bootstrap.app().watch.event(_read(event))


def _read(event: func.EventGridEvent | func.CloudEvent) -> Event:
    """The envelope of either schema: the platform hands over whichever was delivered."""
    if isinstance(event, func.CloudEvent):
        return Event(event.type, event.subject, event.time, event.get_json())
    return Event(event.event_type, event.subject, event.event_time, event.get_json())
