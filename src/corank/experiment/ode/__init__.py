"""Neural ODEs at work: trained on data, tried with stronger solvers, and as densities."""
