"""The pictures of the README: the real app over a fleet with some weeks behind it, and the demo's terminal."""
