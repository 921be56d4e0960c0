"""Registers the functions, and chooses who lets callers of HTTP in: nothing else."""

import azure.functions as func

from functions import (
    api,
    close_days,
    deallocate,
    look_again,
    pages,
    requests,
    retention,
    sweep_schedule,
    sweep_subscription,
    vm_event,
)
from shared import bootstrap

# Where the platform signs callers in, it has let in whoever gets here; else it asks for a key.
signed_in = bootstrap.signed_in_by_platform()
app = func.FunctionApp(func.AuthLevel.ANONYMOUS if signed_in else func.AuthLevel.FUNCTION)
for module in (
    vm_event,
    look_again,
    deallocate,
    sweep_schedule,
    sweep_subscription,
    retention,
    close_days,
    api,
    requests,
    pages,
):
    app.register_functions(module.blueprint)
