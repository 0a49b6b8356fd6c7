"""Networks of published methods, one module a method. docs/baselines.md lists how they differ from the papers."""
