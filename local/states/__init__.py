"""What Azure's documents say of a VM's states, as tables, and the page made from them: docs/states.md."""
