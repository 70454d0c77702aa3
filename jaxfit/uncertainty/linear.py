"""Linear: functions of the parameters and their standard errors, by the delta method."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..status import Note
from .clusters import labels
from .covariance import gauss_newton, in_parameters, sandwich, scaled_rows
from .local import around

if TYPE_CHECKING:
    from ..result import Fit


class Linear(NamedTuple):
    """F functions of the parameters of G groups, to first order."""

    value: np.ndarray  # (G, F)
    error: np.ndarray  # (G, F) standard errors
    dof: np.ndarray  # (G, 1)
    open: np.ndarray  # (G, F) bool, of parameters that the data do not determine
    weak: np.ndarray  # (G, F) bool, or hardly determine
    held: np.ndarray  # (G, F) bool, that are on a bound
    notes: list[Note]


def linearised(fit: "Fit", of: Mapping[str, Any], kind: str, cluster) -> Linear:
    """Functions `of` all groups' parameters, with standard errors by the delta method."""
    count, width = len(fit.groups), len(fit.law.parameters)
    matrix, dof = np.full((count, width, width), np.nan), np.full((count, 1), np.nan)
    unit = np.ones((count, width))
    searched = np.array([fit.law.parameters.index(name) for name in fit.task.law.parameters])
    opened, weak, held = (np.zeros((count, width), bool) for _ in range(3))
    of_row, notes = labels(fit, cluster), []
    for local in around(fit):
        if kind == "sandwich":
            inner, left = sandwich(fit, local, of_row)
        else:
            inner, left = gauss_newton(local), local.dof
        matrix[local.groups], unit[local.groups] = in_parameters(fit, local, inner)
        dof[local.groups, 0] = np.where(left > 0, left, np.nan)
        opened[np.ix_(local.groups, searched)] = ~local.known & local.free
        weak[np.ix_(local.groups, searched)] = local.weak
        held[np.ix_(local.groups, searched)] = ~local.free
    for g in np.flatnonzero(np.isnan(dof[:, 0]) & ~np.isnan(fit.loss)):
        notes.append(
            Note("no_dof", "No degrees of freedom: nothing tells the noise.", fit.groups[g])
        )
    names = np.array(fit.law.parameters)
    for g in np.flatnonzero((opened | weak).any(axis=1)):
        lost = ", ".join(names[opened[g] | weak[g]])
        text = f"No standard error of {lost}, which the data do not, or hardly, determine."
        notes.append(Note("unidentifiable", text, fit.groups[g]))
    for g in np.flatnonzero(held.any(axis=1)):
        text = (
            f"No standard error of {', '.join(names[held[g]])}, on a bound; others are told as if "
            "it were known. Profile intervals tell how far it may go."
        )
        notes.append(Note("at_bound", text, fit.groups[g]))
    theta = np.stack([fit.params[name] for name in fit.law.parameters], axis=1)
    value = np.stack([each(dict(zip(names, theta.T, strict=True))) for each in of.values()], axis=1)
    variance = np.einsum("gaa->ga", matrix)
    slopes = _gradients(of, names, theta, unit * np.sqrt(np.where(variance > 0, variance, 0.0)))
    moved, steep = slopes != 0, ~np.isfinite(slopes)
    slopes, reach = scaled_rows(np.where(steep, 0.0, slopes) * unit[:, None])
    clean = np.where(np.isnan(matrix), 0.0, matrix)
    square = np.einsum("gfa,gab,gfb->gf", slopes, clean, slopes)
    spoilt = (steep | (moved & np.isnan(variance)[:, None])).any(axis=-1) | ~np.isfinite(value)
    return Linear(
        value,
        np.where(spoilt, np.nan, reach * np.sqrt(np.maximum(square, 0.0))),
        dof,
        (moved & opened[:, None]).any(axis=-1),
        (moved & weak[:, None]).any(axis=-1),
        (moved & held[:, None]).any(axis=-1),
        notes,
    )


def _gradients(of, names, theta, error) -> np.ndarray:
    """Derivatives (G, F, A) of functions of parameters theta (G, A), by central differences.

    Not finite where a function is not, beside its parameters.
    """
    out = np.zeros((len(theta), len(of), len(names)))
    step = np.maximum(1e-4 * error, 1e-6 * np.abs(theta))
    step = np.where(step > 0, step, 1e-6)
    for a, name in enumerate(names):
        ends = []
        for sign in (1.0, -1.0):
            there = theta.copy()
            there[:, a] += sign * step[:, a]
            known = dict(zip(names, there.T, strict=True))
            ends.append(np.stack([each(known) for each in of.values()], axis=1))
        with np.errstate(invalid="ignore"):  # a logarithm of a parameter on its bound of 0
            out[:, :, a] = (ends[0] - ends[1]) / (2.0 * step[:, a, None])
        if name in of:  # a parameter itself, without rounding
            out[:, list(of).index(name), a] = 1.0
    return out
