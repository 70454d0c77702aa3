"""`fit`: from a table to the fitted law of every group."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from .answers import Answers
from .assemble import assemble
from .bounds import Bounds, Starts
from .constraints import Fixed, Priors, Tied
from .data import Weights
from .keywords import check_progress, checked_keywords
from .laws import Law
from .laws.derived import known_parameters
from .losses import Loss
from .noise import with_noise
from .pooling import pooled
from .prepare import prepare
from .result import Fit
from .search import search
from .sharing import jointly
from .solve.presets import AUTO, PIPELINES, Choice, Pipeline, Stage, choose
from .status import GroupsFailed
from .tables import nearest
from .task import Task


@checked_keywords
def fit(
    law: Law | str,
    data: Any,
    *,
    target: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    loss: Loss | str = "mse",
    starts: Starts = 1024,
    seed: int = 0,
    weights: Weights = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    tied: Tied | None = None,
    priors: Priors | None = None,
    shared: str | Sequence[str] | None = None,
    pool: str | Sequence[str] | None = None,
    nan: str = "raise",
    pipeline: str | Pipeline = "adam-lbfgs",
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Fit:
    """Fit `law` to every group of a table, from many starts at once.

    law: a `Law`, the name of one in `jaxfit.LAWS`, or text such as "E + A * N^-alpha", in which
        names of columns are columns and all others parameters (`jaxfit.parse`).
    data: a dict of columns, a pandas, polars or pyarrow frame, or a path to CSV or Parquet.
    target: the column that the law predicts, or a list of columns: a law that returns (n, T) is
        fitted to all of them together, any other to each by itself, which the key "target" of the
        groups then names. by: the column(s) whose values make the groups.
    inputs: {law input: column} where names differ, e.g. {"N": "params"}.
    loss: what is minimised, e.g. `LogHuber(1e-3)`, or its name, e.g. "log-mse".
    starts: how many scrambled Sobol starts a group gets (a power of two is best), or starts of
        your own: {parameter: values (S,)} or an array (S, P), or a function of a group's inputs and
        target that returns either.
    seed: of the Sobol starts; the same seed gives the same answer.
    weights: a column, one number >= 0 a row, or `InverseDensity("x")`, which undoes how densely
        runs lie along a column; the objective is the weighted mean. A row of weight 2 pulls as
        that row twice does, and one of 0 is not there; but it is one run, and standard errors,
        priors and criteria count runs.
    bounds: {parameter: (low, high)}, inside the law's supports; also {parameter: {group: (low,
        high)}}, or a function of a group's inputs and target that returns a pair.
    fixed: {parameter: value}, of what is known; a value is a number, {group: number}, or a
        function of a group's inputs and target.
    tied: {parameter: function of others as text}, e.g. {"beta": "alpha"}; a note tells where that
        lies outside of the law's support.
    priors: {parameter, or function of some as text: prior}, e.g. {"alpha": Normal(0.34, 0.05)},
        {"B - A": Hinge(1e-3, low=0.0)}; see `jaxfit.priors`.
    shared: parameters that are the same in all groups, found in one joint fit of all rows.
    pool: parameters that differ between groups as draws from one normal population do (of their
        logarithms, for `Positive` ones), whose mean and spread are estimated with them.
    nan: "raise" on a missing or infinite cell, or "mask" to leave its row out and count it.
    pipeline: a name in `jaxfit.PIPELINES`; "auto", which chooses one of them and says why; or a
        tuple of stages.
    strict: raise `GroupsFailed` unless every group is "ok".
    progress: called as progress(groups_done, groups) while it works.

    Returns a `Fit`: n groups in, n rows out, each with a status; a bad group never harms
    another. Raises ValueError or TypeError, naming column, parameter or group, for a table,
    option or law that cannot be used, and ValueError when no group has a finite objective.
    """
    pipeline = checked_pipeline(pipeline)
    check_progress(progress)
    if not isinstance(strict, bool):
        raise TypeError(f"strict={strict!r}; give True or False.")
    with jax.enable_x64(True):
        task = prepare(
            law,
            data,
            target=target,
            by=by,
            inputs=inputs,
            loss=loss,
            starts=starts,
            seed=seed,
            weights=weights,
            bounds=bounds,
            fixed=fixed,
            tied=tied,
            priors=priors,
            nan=nan,
        )
        result = fit_task(task, pipeline, progress, shared=shared, pool=pool)
    if strict and not result.ok.all():
        raise GroupsFailed(_failures(result))
    return result


def fit_task(
    task: Task,
    pipeline: str | Pipeline,
    progress: Callable[[int, int], None] | None = None,
    *,
    shared: str | Sequence[str] | None = None,
    pool: str | Sequence[str] | None = None,
    part: bool = False,
) -> Fit:
    """The fit of a task, in float64; options as of `fit`, part: as of `assemble`."""
    named = isinstance(pipeline, str)
    chosen = choose(pipeline, task.law, task.loss) if named else Choice(pipeline)
    joint, populations = _names(task, shared, "shared"), _names(task, pool, "pool")
    if joint and populations:
        raise ValueError("shared= and pool= do not go together; choose one of them.")
    count = len(task.data.groups)
    # Groups that wait for each other, or for their noise, are searched again and again: then only
    # the beginning and the end are told.
    again = bool(joint or populations or task.constraints.terms.counted.any())
    spent = np.zeros((count, 1 + len(chosen.stages)), int)

    def searched(task: Task) -> Answers:
        answers = search(task, chosen.stages, None if again else progress)
        spent[:] += answers.solution.evaluations.reshape(-1, *spent.shape).sum(axis=0)
        return answers

    if again and progress:
        progress(0, count)
    settings = {"pipeline": [repr(stage) for stage in chosen.stages], "reason": chosen.reason}
    if joint:
        fit = jointly(task, joint, searched, settings)
    elif populations:
        fit = pooled(task, populations, searched, settings)
    else:
        fit = assemble(*with_noise(task, searched), settings, part=part)
    if again and progress:
        progress(count, count)
    return replace(fit, evaluations=spent)


def _names(task: Task, names, what: str) -> tuple[str, ...]:
    """Parameters that an option names, each of them searched and in one group of several."""
    if names is None:
        return ()
    if not isinstance(names, str | Iterable):
        raise TypeError(f"{what}={names!r}; name parameters, as in {what}=['alpha'].")
    names = (names,) if isinstance(names, str) else tuple(names)
    known_parameters(task.law, names, f"{what}=")
    if len(set(names)) == len(task.law.parameters) and what == "shared":
        raise ValueError("shared= leaves groups no parameter of their own; fit without by=.")
    return tuple(dict.fromkeys(names))


def checked_pipeline(pipeline) -> str | Pipeline:
    """The name of a pipeline, or its stages."""
    if isinstance(pipeline, str):
        names = (*PIPELINES, AUTO)
        if pipeline not in names:
            raise ValueError(
                f"No pipeline is called `{pipeline}`{nearest(pipeline, names)} There are: "
                f"{', '.join(names)}."
            )
        return pipeline
    if not isinstance(pipeline, Iterable):
        raise TypeError(f"pipeline={pipeline!r} is no pipeline; give a tuple of stages, or a name.")
    stages = tuple(pipeline)
    for stage in stages:
        if not isinstance(stage, Stage):
            raise TypeError(f"{stage!r} in pipeline= is no stage; use Adam(), Keep(k), LBFGS().")
    if not stages:
        raise ValueError("pipeline= is empty; give at least one stage, such as (LBFGS(),).")
    return stages


def _failures(result: Fit) -> str:
    failed = [
        f"{key} ({status})"
        for key, status in zip(result.groups, result.status, strict=True)
        if status != "ok"
    ]
    shown = ", ".join(failed[:10]) + (", ..." if len(failed) > 10 else "")
    return f"{len(failed)} of {len(result.groups)} groups are not ok: {shown}."
