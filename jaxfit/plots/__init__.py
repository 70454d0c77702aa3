"""Plots: one file a family of them, one style (`style`), and what each returns (`drawn`).

They need the extra `plot`. `Fit.plot` hands them out; what stands above a fit draws itself, in this
style: `Allocation.plot`, `Isoflop.plot`, `Comparison.plot` and `Discovery.plot`.
"""
