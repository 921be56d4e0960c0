"""Pure: what the HTTP API answers."""
