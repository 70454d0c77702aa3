"""What to train next: `allocation` by a fitted law, `isoflops` from runs at a few budgets."""
