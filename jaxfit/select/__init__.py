"""Select: which of several laws to trust beyond the data, and by how much.

`splits` says what is held out, `folds` fits a law to all that is left at once, `scores` measures
what was held out, `criteria` are AICc and BIC, `choice` is the rule, `sealed` what no rule may see.
"""

CRITERIA = ("extrapolation", "least-extrapolation", "k-fold", "aicc", "bic")
EXTRAPOLATION, LEAST, KFOLD, AICC, BIC = CRITERIA
