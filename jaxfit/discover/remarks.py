"""What is said of a formula that was judged, in words that whoever writes the next one can use."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .evidence import Evidence
from .scoring import Score

# Groups whose errors and constants are told: the worst ones.
_GROUPS = 8
# From this ratio of held-out to training error on, a formula is said to fit and not to foretell,
# unless what it misses is next to nothing.
_APART, _NOTHING = 30.0, 1e-4


def remarks(score: Score, best: Score | None, known: Evidence) -> str:
    """Errors, constants, warnings, and how a formula stands to the best before it."""
    targets = ", ".join(known.targets)
    held = f"{score.error:.4g}" if np.isfinite(score.error) else "failed"
    lines = [
        f"Formula: {targets} = {score.law}",
        f"Error on held-out rows: {held} (share of the target's variance; the mean alone has 1), "
        f"with {score.constants} constants fitted in each of {len(known.groups)} groups.",
        _standing(score, best),
        f"Training error: {score.training:.4g}.{_gap(score)}",
        f"Held-out error by fold: {_listed(score.folds)}.",
    ]
    if len(known.groups) > 1:
        worst = sorted(score.groups.items(), key=lambda each: -np.nan_to_num(each[1], posinf=1e308))
        said = "" if len(worst) <= _GROUPS else f", the worst {_GROUPS} of {len(worst)}"
        lines.append(f"Held-out error by group{said}: {_listed(dict(worst[:_GROUPS]))}.")
    lines += ["Constants:", *(f"  {line}" for line in _constants(score, known))]
    lines += [f"Warning: {text}." for text in score.warnings]
    return "\n".join(lines)


def refusal(why: str, known: Evidence, most: int | None) -> str:
    """Why there is nothing to judge, and what a formula may be."""
    limit = f" At most {most} constants." if most is not None else ""
    return (
        f"Refused: {why}\n"
        f"A formula may use the inputs {', '.join(known.inputs)}; every other name is a constant "
        f"that is fitted in each group. There are + - * / ^, exp, log, sqrt, abs, min, max, "
        f"sigmoid, softplus, tanh, sin.{limit}"
    )


def _standing(score: Score, best: Score | None) -> str:
    if not np.isfinite(score.error):
        return "It is no candidate: some fit of it is not finite on held-out rows."
    if best is None:
        return "It is the first that was judged."
    own = f"the best before it ({best.error:.4g}, {best.constants} constants: {best.law})"
    if score.law == best.law:
        return "It is the best so far, judged before."
    if score.error < best.error:
        return (
            f"It is the new best: its error is {score.error / best.error:.3g} times that of {own}."
        )
    ratio = score.error / max(best.error, 1e-300)
    return f"It is not the best: its error is {ratio:.3g} times that of {own}."


def _gap(score: Score) -> str:
    apart = np.isfinite(score.error) and score.error > max(_APART * score.training, _NOTHING)
    return " It says far less of rows beyond those it is fitted to." if apart else ""


def _listed(errors: Mapping[Any, float]) -> str:
    return ", ".join(f"{_said(key)} {error:.4g}" for key, error in errors.items())


def _said(key: Any) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _constants(score: Score, known: Evidence) -> list[str]:
    """One line a constant: its values in the groups, or where they lie if those are many."""
    out = []
    for name, values in score.params.items():
        for t, target in enumerate(known.targets):
            own = values if len(known.targets) == 1 else values[:, t]
            label = name if len(known.targets) == 1 else f"{name} ({target})"
            if len(own) <= _GROUPS:
                pairs = zip(known.groups, own, strict=True)
                told = ", ".join(f"{_said(key)} {value:.4g}" for key, value in pairs)
                out.append(f"{label}: {told if known.by else f'{own[0]:.4g}'}")
            else:
                low, middle, high = np.quantile(own, (0.0, 0.5, 1.0))
                out.append(f"{label}: {low:.4g} to {high:.4g}, median {middle:.4g}")
    return out
