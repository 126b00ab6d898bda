"""Langenberg et al. 2019, On the Effect of Low-Rank Weights on Adversarial Robustness of Neural Networks."""
