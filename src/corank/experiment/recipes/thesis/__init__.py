"""Daulbaev 2023, Applications of Differential Equations and Reduced-Order Modeling for Deep Learning."""
