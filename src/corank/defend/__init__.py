"""Network to more robust network."""

from corank.defend.low_rank_layer import LowRankLayer

__all__ = ["LowRankLayer"]
