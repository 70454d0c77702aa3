"""What to train next, by laws that were fitted.

`allocation`: of one budget, by a law; `isoflops`: from runs at a few budgets; `next_runs`: which of
some runs to buy; `select_models`: which pretrained model to fine-tune.
"""
