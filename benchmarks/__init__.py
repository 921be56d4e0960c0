"""What `make bench` runs: what Stopgap costs, against a floor that does the same exchange and decides nothing."""
