"""Uncertainty: how far the parameters of a fit, and what follows from them, can be trusted."""
