"""Gao et al., Feature Compression Is the Root Cause of Adversarial Fragility in Neural Network Classifiers."""
