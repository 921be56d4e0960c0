"""The demo: the story of a fleet, played at high speed on real parts, and what Stopgap made of it."""
