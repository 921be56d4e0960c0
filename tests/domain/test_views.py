"""What others are shown of a VM."""
