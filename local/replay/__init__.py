"""`python -m local replay`: recorded events, played through the function app, and what it decided on each."""
