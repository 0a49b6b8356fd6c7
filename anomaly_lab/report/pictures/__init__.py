"""The pictures of a report: plots of the records, and images scored again."""
