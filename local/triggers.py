"""What triggers the app's functions, as its own code declares it."""

from functools import cache
from typing import Any

from function_app import app


@cache
def triggers() -> tuple[Any, ...]:
    """The trigger of each function. The app can be asked for its functions once only: a second time they clash."""
    return tuple(trigger for function in app.get_functions() if (trigger := function.get_trigger()))
