"""Pure: what the words mean and what is decided. No clock, environment, logging or I/O."""
