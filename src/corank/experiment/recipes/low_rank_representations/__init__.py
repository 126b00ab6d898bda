"""Sanyal, Kanade and Torr 2020, Robustness via Deep Low-Rank Representations."""
