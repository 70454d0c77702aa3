"""Pruning: a stage that acts on all starts of a group at once."""

from dataclasses import dataclass

import jax.numpy as jnp


@dataclass(frozen=True)
class Keep:
    """Keep the `count` best starts; successive halving when used between stages."""

    count: int

    def select(self, value):
        """Indices of the starts that stay, best first, from objectives (S,)."""
        return jnp.argsort(value)[: self.count]
