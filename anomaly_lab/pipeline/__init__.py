"""The way of each command: what happens, in order."""
