"""Timer: ask for a sweep of each subscription, and tell what is due and not done."""

import azure.functions as func

from shared import bootstrap

blueprint = func.Blueprint()


@blueprint.function_name("sweep_schedule")
@blueprint.timer_trigger(arg_name="timer", schedule=bootstrap.sweep_schedule())
async def sweep_schedule(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the platform passes it by name
    """Put one message for each subscription on the queue `sweeps`; then measure the backlog."""
    with bootstrap.measured:
        await bootstrap.app().sweeps.schedule()
        await bootstrap.app().backlog.measure()
