"""Timer: remove what is older than it is to be kept."""

import azure.functions as func

from shared import bootstrap

blueprint = func.Blueprint()

EVERY_NIGHT = "0 30 3 * * *"


@blueprint.function_name("retention")
@blueprint.timer_trigger(arg_name="timer", schedule=EVERY_NIGHT)
async def retention(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the platform passes it by name
    """Remove transitions, episodes and log entries that are older than `STOPGAP_RETENTION`."""
    with bootstrap.measured:
        await bootstrap.app().retention.run()
