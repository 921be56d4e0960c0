"""Everything that runs on a laptop: imports all of Stopgap, imported by none of it."""
