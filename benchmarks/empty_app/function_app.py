"""The floor of a cold start: an app with one function, which does nothing."""

import azure.functions as func

app = func.FunctionApp()


@app.function_name("vm_event")
@app.event_grid_trigger(arg_name="event")
async def vm_event(event: func.EventGridEvent) -> None:
    """Nothing."""
