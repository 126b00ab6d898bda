"""The pieces of a reduced-order network: stages of a graph, their bases, the maps between them, the small network."""
