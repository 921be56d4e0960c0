"""What a large fleet needs: the arithmetic behind docs/scale.md. Pure but for the command."""
