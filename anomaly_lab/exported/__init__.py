"""A trained run as one file for another runtime: a graph from stored pixels to the decision, and what runs it."""
