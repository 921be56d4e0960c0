"""The functions of the app, as `function_app.py` registers them: it can be asked for them once in a process."""

from typing import Any

from function_app import app

FUNCTIONS: dict[str, Any] = {str(each.get_function_name()): each for each in app.get_functions()}
"""By name."""
