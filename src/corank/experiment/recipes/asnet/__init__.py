"""Cui et al. 2020, Active Subspace of Neural Networks: Structural Analysis and Universal Attacks."""
