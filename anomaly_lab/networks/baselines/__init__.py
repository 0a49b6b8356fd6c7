"""Networks of published methods, to compare with: one module a method. docs/baselines.md tells how they differ from the papers."""
