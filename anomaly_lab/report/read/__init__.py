"""The records of runs as they lie on disk, read and grouped by setting."""
