"""Is F the orthogonal projection onto the normal images? Six properties, each measured apart (docs/analyze.md)."""
