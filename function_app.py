"""Registers the functions, nothing else."""

import azure.functions as func

from functions import api, deallocate, look_again, vm_event

app = func.FunctionApp()
app.register_functions(vm_event.blueprint)
app.register_functions(look_again.blueprint)
app.register_functions(deallocate.blueprint)
app.register_functions(api.blueprint)
