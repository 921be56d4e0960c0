"""Queue `looks`: it is time to look at a VM again."""

import azure.functions as func

from shared import bootstrap
from shared.messages import read_look

blueprint = func.Blueprint()


@blueprint.function_name("look_again")
@blueprint.queue_trigger(arg_name="message", queue_name="looks", connection="AzureWebJobsStorage")
async def look_again(message: func.QueueMessage) -> None:
    """Do the look that a message asks for. A failure makes the queue deliver it again."""
    look = read_look(message.get_body())
    with bootstrap.measured:
        await bootstrap.app().watch.look_again(look, message.dequeue_count or 1)
