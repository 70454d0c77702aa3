"""Select: which of several laws to trust beyond the data, and by how much.

`splits` says what is held out, `folds` fits a law to all that is left at once, `scores` measures
what was held out, `criteria` are AICc and BIC, `choice` is the rule, `sealed` what no rule may see.
"""

EXTRAPOLATION, KFOLD, AICC, BIC = CRITERIA = ("extrapolation", "k-fold", "aicc", "bic")
