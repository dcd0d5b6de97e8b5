"""What the functions have in common. Imports nothing from `functions`."""
