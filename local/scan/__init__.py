"""A look at what is wasted that needs no deployment: `python -m local scan`."""
