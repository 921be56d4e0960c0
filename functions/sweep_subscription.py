"""Queue `sweeps`: observe all VMs of a subscription."""

import azure.functions as func

from shared import bootstrap
from shared.messages import read_sweep

blueprint = func.Blueprint()


@blueprint.function_name("sweep_subscription")
@blueprint.queue_trigger(arg_name="message", queue_name="sweeps", connection="AzureWebJobsStorage")
async def sweep_subscription(message: func.QueueMessage) -> None:
    """Do the sweep that a message asks for. A failure makes the queue deliver it again: it is simply run again."""
    asked = read_sweep(message.get_body())
    with bootstrap.measured:
        await bootstrap.app().sweeps.sweep(asked, message.dequeue_count or 1)
