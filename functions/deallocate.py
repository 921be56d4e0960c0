"""Queue `deallocations`: it is time to deallocate a VM, if a fresh look still allows it."""

import azure.functions as func

from shared import bootstrap
from shared.messages import read_attempt

blueprint = func.Blueprint()


@blueprint.function_name("deallocate")
@blueprint.queue_trigger(arg_name="message", queue_name="deallocations", connection="AzureWebJobsStorage")
async def deallocate(message: func.QueueMessage) -> None:
    """Make the attempt that a message asks for. A failure makes the queue deliver it again."""
    with bootstrap.measured:
        await bootstrap.app().attempts.make(read_attempt(message.get_body()))
