"""Pruning: a stage that acts on all starts of a group at once."""

from dataclasses import dataclass

import jax.numpy as jnp

from .settings import check_settings


@dataclass(frozen=True)
class Keep:
    """Keep the `count` best starts; successive halving when used between stages."""

    count: int

    def __post_init__(self):
        check_settings(self)

    def select(self, value):
        """Indices of the starts that stay, best first, from objectives (S,)."""
        return jnp.argsort(value)[: self.count]
