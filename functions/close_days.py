"""Timer: add up the days that are over."""

import azure.functions as func

from shared import bootstrap

blueprint = func.Blueprint()

EVERY_NIGHT = "0 10 3 * * *"
"""Hours after midnight: by then it is known of most VMs when they left Stopped before it."""


@blueprint.function_name("close_days")
@blueprint.timer_trigger(arg_name="timer", schedule=EVERY_NIGHT)
async def close_days(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the platform passes it by name
    """Add up what VMs left Stopped cost on the days that are over, and what deallocating them avoided."""
    with bootstrap.measured:
        await bootstrap.app().accounts.close_days()
