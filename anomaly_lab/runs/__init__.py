"""A run on disk: its directory, records, lock, sweep and resume, and the checks of its configuration."""
