"""The end of a search: the best laws are judged again, and one is chosen and fitted to all rows."""

from collections.abc import Sequence

import numpy as np

from ..result import Fit
from . import native
from .choosing import Choice, choose, finalists, resampled, weightings
from .evidence import Evidence
from .forms import Form
from .judge import FINAL_STEPS, Judged
from .loop import Rules, State
from .weighting import alike

# Starts of the chosen law's last fit.
STARTS = 256


def finalists_of(states: Sequence[State], known: Evidence) -> list[Judged]:
    """What is chosen from, judged by more starts than while it was searched.

    All by the judge of the first search, which learns what the others know of constants.
    """
    judge = states[0].judge
    found: dict[Form, Judged] = {}
    for state in states:
        for form, each in state.found.items():
            if np.isfinite(each.error):
                found.setdefault(form, each)
    first = finalists(known, [*found.values()])
    if not first:
        raise ValueError(
            "No law could be judged: none was finite in every fold. Give more minutes, fewer folds "
            "or more constants."
        )
    for each in first:
        judge.learn(each)
    again = judge.judge([each.form for each in first], starts=8, max_steps=FINAL_STEPS)
    return sorted(
        (each for each in again if np.isfinite(each.error)),
        key=lambda each: (each.error, each.form.nodes),
    )


def chosen_of(
    states: Sequence[State],
    every: Evidence,
    known: Evidence,
    conditions: Rules,
    rule: str,
    seed: int,
) -> tuple[list[Judged], Choice, Fit, str]:
    """The finalists, which of them is chosen, and its last fit, to `every` group.

    And which condition that breaks in a group that was not judged by, in words.

    Conditions hold for the constants that are handed out, which come from more starts than those
    by which a law was let through.
    """
    forms, refused = [], []
    for each in finalists_of(states, known):
        broken = conditions.broken(each.form, each.constants, known)
        (refused if broken else forms).append(each)
    judge = states[0].judge
    drawn = resampled(judge, forms, seed) if forms else np.empty((0, 0))
    asked = forms and rule == "shortest"
    counted = weightings(known, judge, forms) if asked else [alike(forms)]
    while forms:
        choice = choose(known, forms, drawn, rule, counted)
        chosen = forms[choice.chosen]
        starts = native.starts_about(chosen.form, known, chosen.constants, STARTS, seed)
        # Constants lie where the groups that were judged by say, in all others too.
        law = native.law_of(chosen.form, known)
        found = native.fitted(law, every, starts=starts, seed=seed)
        if not conditions.broken(chosen.form, native.constants_of(found, known), known):
            better = sum(each.error < chosen.error for each in refused)
            choice = choice._replace(why=choice.why + _passed_over(better))
            return forms, choice, found, _broken(chosen.form, found, every, conditions)
        refused.append(forms.pop(choice.chosen))
        drawn = np.delete(drawn, choice.chosen, axis=1)
        counted = [each.without(choice.chosen) for each in counted]
    raise ValueError(
        f"No law that was found obeys {conditions.outward} in every group that laws were judged "
        "by. Ask for less, or give more minutes."
    )


def _broken(form: Form, found: Fit, every: Evidence, conditions: Rules) -> str:
    """Which condition a fit breaks in some group that it was fitted to, in words; "" if none."""
    constants = native.constants_of(found, every)
    fitted = np.asarray(np.isfinite(constants).all(axis=(1, 2)))
    if not fitted.any():
        return ""
    return conditions.broken(form, constants[fitted], every.of_rows(fitted[every.group]))


def _passed_over(better: int) -> str:
    """What is said of finalists that broke a condition."""
    if not better:
        return ""
    return (
        f" {better} finalist{'s' if better > 1 else ''} with less error "
        f"{'were' if better > 1 else 'was'} refused for what the law says beyond the data."
    )
