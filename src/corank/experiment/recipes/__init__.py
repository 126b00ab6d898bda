"""The published tables and figures, a package a paper and a module a table; see `corank.experiment.recipe`."""
