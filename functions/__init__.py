"""Edge in: one short module per trigger. Only here, and in function_app.py, azure.functions is known."""
