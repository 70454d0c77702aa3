"""`python -m benchmarks.peers`: the Chinchilla job beside other fitters, from the same starts."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from scipy import optimize

from jaxfit import BFGS, LBFGS, PIPELINES, Keep, LevenbergMarquardt, VariableProjection, fit
from jaxfit.prepare import prepare
from jaxfit.solve.lanes import advanced
from jaxfit.solve.pipeline import AGREEMENT, prune, screened

from . import report
from .chinchilla import _Bench, _point
from .chinchilla_scipy import DELTA, NAMES, TIGHT, HuberSum, ends, minimise
from .routes import Route
from .timing import Timing, compiled, interpreted

EXACT = 1e-9  # relative; objectives closer than this are of one optimum, to the last digits
MIN_OVER_OPTIMISTIX = 3.0
MIN_OVER_SCIPY = 10.0
QUICK = {"sets": 5, "numeric_starts": 16, "repeats": 3}
SETS = 50
OURS = "jaxfit, auto"
EXACT_GRADIENT = "SciPy L-BFGS-B, exact gradient"
STAGES = (LevenbergMarquardt, VariableProjection, BFGS, LBFGS)
MAX_STEPS = 300  # of jaxfit's stages when nothing is pruned
SQUARES: dict[str, Any] = {
    "loss": "huber",
    "f_scale": DELTA,
    "ftol": 1e-12,
    "xtol": 1e-12,
    "gtol": 1e-12,
}
# Tolerances of the peers in JAX are the loosest of those tried, in powers of ten, from which
# nearly every start that gets to the best optimum gets there to `EXACT`.
QUASI_NEWTON = {"rtol": 1e-6, "atol": 1e-6}
MARQUARDT = {"rtol": 1e-5, "atol": 1e-5}
LINE_SEARCHED = {"tol": 1e-5, "maxiter": 200, "maxls": 15}
NOTES = (
    f"every route starts from the same profiled starts. SciPy L-BFGS-B: ftol {TIGHT['ftol']:g}, "
    f"gtol {TIGHT['gtol']:g}. least_squares, lmfit: {SQUARES['ftol']:g}, exact Jacobian.",
    "optimistix, jaxopt and optax run all starts under one vmap in one compiled program, on the "
    "Huber sum over delta (LevenbergMarquardt: its signed roots over delta). "
    f"optimistix: {QUASI_NEWTON['rtol']:g} for BFGS, {MARQUARDT['rtol']:g} for "
    f"LevenbergMarquardt, whose 5 x 5 systems go to Cholesky. jaxopt and optax: gradient "
    f"{LINE_SEARCHED['tol']:g}, at most {LINE_SEARCHED['maxiter']} steps of at most "
    f"{LINE_SEARCHED['maxls']} trials in a zoom line search.",
    f"within {EXACT:g}, within {AGREEMENT:g}: share of the finished starts that end so near the "
    "best Huber sum of any route, relative; compare it between routes that finish all.",
    "evaluations: points asked for, summed over starts; under vmap a lane that is done idles until "
    "the slowest is. best: the route's answer is the best optimum.",
    f"x jaxfit: warm wall time over that of {OURS}. Warm is the median of the repeats; of one call "
    "for SciPy's numeric gradient, optax and jaxopt.",
)
COLUMNS = (
    ("route", "route", ""),
    *report.TIMES,
    ("starts", "starts", "d"),
    ("finished", "finished", ".0f"),
    (f"within {EXACT:g}", "share_exact", ".1%"),
    (f"within {AGREEMENT:g}", "share", ".1%"),
    ("evaluations", "evaluations", "d"),
    ("Huber sum", "objective", ".15f"),
    ("best", "found", ""),
    ("x jaxfit", "times_jaxfit", ".1f"),
)


class Measured(NamedTuple):
    """A route, and what only this benchmark knows of it."""

    route: Route
    evaluations: int


def run(
    *,
    starts: int = 256,
    sets: int = SETS,
    numeric_starts: int | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure every route from the same starts, then jaxfit alone on `sets` sets of starts.

    numeric_starts: how many of the starts SciPy's numeric gradient gets; all when None.
    repeats: warm runs, but one of the routes that take many seconds.
    """
    bench = _Peers(seed, repeats, starts)
    # jaxfit goes first, so that its cold time is that of the first call in the process.
    measured = [bench.ours(OURS, "auto")]
    measured += [bench.ours(f"jaxfit, {name}", name) for name in ("varpro", "lm", "adam-lbfgs")]
    for stage in STAGES:
        name = f"jaxfit, {stage.__name__}, none pruned"
        measured.append(bench.ours(name, (stage(max_steps=MAX_STEPS),)))
    measured += bench.scipy_routes(numeric_starts)
    absent = [name for name in ("lmfit", "optimistix", "jaxopt", "optax") if not find_spec(name)]
    if "lmfit" not in absent:
        measured.append(bench.interpreted("lmfit least_squares", _lmfit))
    for package, name, one, times in _in_jax(repeats):
        if package not in absent:
            measured.append(bench.compiled(name, one, times))
    found = bench.start_sets(sets)
    best = min(found.min(), *(each.route.objective[0] for each in measured))
    rows = [_row(each, best, measured[0].route.timing) for each in measured]
    count = int(np.sum(found <= best * (1 + EXACT)))
    subset = numeric_starts is not None and numeric_starts < starts
    return {
        "benchmark": "peers",
        "problem": {"runs": len(bench.runs["loss"]), "loss": f"Huber sum of logs, delta {DELTA:g}"},
        "settings": {"seed": seed, "repeats": repeats, "starts": starts, "start sets": sets},
        "routes": rows,
        "tables": {
            f"start sets, {OURS}": {
                f"seeds 0 to {sets - 1}": {
                    "sets": sets,
                    f"found to {EXACT:g}": count,
                    "largest excess, relative": float(found.max() / best - 1),
                }
            }
        },
        "promises": _promises(rows, count, sets),
        "notes": [
            *([f"SUBSET: SciPy's numeric gradient ran {numeric_starts} starts."] if subset else []),
            *(f"{name} is not installed: its routes are left out." for name in absent),
            *NOTES,
        ],
    }


class _Peers(_Bench):
    """The problem, its starts (S, 5), and what measures a route from them."""

    def __init__(self, seed: int, repeats: int, count: int):
        super().__init__(seed, repeats)
        self.count, self.counted = count, _Counted(self.runs)
        self.starts = np.empty((0, 5))  # drawn after the first call of jaxfit, which is cold

    def ours(self, name: str, pipeline) -> Measured:
        """Measure jaxfit.fit; where its starts end is found by a run that is not timed."""
        found, timing = compiled(
            lambda: fit(
                "chinchilla", self.runs, starts=self.count, pipeline=pipeline, **self.problem
            ),
            self.repeats,
        )
        if not len(self.starts):
            self.starts = self.profiled(self.count)
        # With this loss "auto" means "lm".
        named = "lm" if pipeline == "auto" else pipeline
        stages = PIPELINES[named] if isinstance(named, str) else named
        values = ends(self.objective, self._ends(stages))[None]
        answer = np.array([self.objective.value(_answer(found))])
        route = Route(name, timing, answer, self.count, found.starts_finished, ends=values)
        return Measured(route, int(found.evaluations.sum()))

    def _ends(self, stages) -> np.ndarray:
        """Points (F, 5) where the starts end that jaxfit follows through all the stages."""
        with jax.enable_x64(True):
            task = prepare("chinchilla", self.runs, starts=self.count, **self.problem)
            _, problems = next(task.batches())
            z, value, _ = screened(task.law, task.loss, problems, task.points, task.cube)
            for stage in stages:
                if isinstance(stage, Keep):
                    z, value = prune(stage, z, value)
                else:
                    z, value, _ = advanced(task.law, task.loss, stage, problems, z, value)
        order = [task.law.parameters.index(name) for name in ("A", "B", "E", "alpha", "beta")]
        return np.asarray(z)[0][:, order]

    def scipy_routes(self, numeric_starts: int | None) -> list[Measured]:
        """L-BFGS-B with either gradient, and least_squares."""

        def quasi_newton(gradient):
            return lambda objective, p: minimise(objective, p, gradient=gradient, options=TIGHT)

        numeric = "SciPy L-BFGS-B, numeric gradient"
        return [
            self.interpreted(numeric, quasi_newton(False), 1, self.starts[:numeric_starts]),
            self.interpreted(EXACT_GRADIENT, quasi_newton(True)),
            self.interpreted("SciPy least_squares", _least_squares),
        ]

    def interpreted(self, name: str, solve: Callable, times=None, starts=None) -> Measured:
        """Measure `solve(objective, starts)`, which returns points (S, 5)."""
        starts = self.starts if starts is None else starts

        def call():
            self.counted.evaluations = 0
            return solve(self.counted, starts)

        points, timing = interpreted(
            call, times or self.repeats, warm_up=lambda: solve(self.counted, starts[:2])
        )
        return self._measured(name, timing, points, self.counted.evaluations)

    def compiled(self, name: str, one: Callable, times: int) -> Measured:
        """Measure `one(objective)`, a function p (5,) -> point and evaluations, under vmap."""
        with jax.enable_x64(True):
            program = jax.jit(jax.vmap(one(_Traced(self.objective))))
            found, timing = compiled(lambda: jax.block_until_ready(program(self.starts)), times)
        points, evaluations = (np.asarray(each) for each in found)
        return self._measured(name, timing, points, int(evaluations.sum()))

    def _measured(self, name: str, timing: Timing, points, evaluations: int) -> Measured:
        return Measured(
            Route.of_ends(name, timing, ends(self.objective, points)[None]), evaluations
        )

    def start_sets(self, sets: int) -> np.ndarray:
        """The objectives (sets,) that jaxfit finds with seeds 0, 1, ..."""
        answers = [
            fit("chinchilla", self.runs, starts=self.count, pipeline="auto", **problem)
            for problem in ({**self.problem, "seed": seed} for seed in range(sets))
        ]
        return np.array([self.objective.value(_answer(found)) for found in answers])


def _answer(found) -> np.ndarray:
    return _point({key: value[0] for key, value in found.params.items()})


class _Counted(HuberSum):
    """The objective that counts its evaluations, with residuals for least squares."""

    evaluations = 0

    def residual(self, p: np.ndarray) -> np.ndarray:
        """Log prediction - log loss, (n,)."""
        self.shares, r, _ = self._residual(p)
        self.at = p.copy()
        return r

    def jacobian(self, p: np.ndarray) -> np.ndarray:
        """Its derivatives (n, 5), quick where `residual` was just asked for, as solvers do."""
        shares = self.shares if np.array_equal(p, self.at) else super()._residual(p)[0]
        slopes = self.exponents.reshape(5, *shares.shape)
        return np.einsum("pkn,kn->np", slopes, shares / shares.sum(axis=0))

    def _residual(self, p):
        self.evaluations += 1
        return super()._residual(p)


def _least_squares(objective: _Counted, starts) -> np.ndarray:
    solve: Any = optimize.least_squares
    found = [solve(objective.residual, p, objective.jacobian, **SQUARES) for p in starts]
    return np.stack([each.x for each in found])


def _lmfit(objective: _Counted, starts) -> np.ndarray:
    lmfit = import_module("lmfit")

    def array(params):
        return np.array([params[name].value for name in NAMES])

    def one(p):
        params = lmfit.Parameters()
        for name, value in zip(NAMES, p, strict=True):
            params.add(name, value=value)
        problem = lmfit.Minimizer(lambda q: objective.residual(array(q)), params, calc_covar=False)
        jacobian = {"jac": lambda q: objective.jacobian(array(q))}
        return array(problem.minimize("least_squares", **SQUARES, **jacobian).params)

    with np.errstate(all="ignore"):  # of the error bars, which may not exist
        return np.stack([one(p) for p in starts])


class _Traced:
    """The same objective in JAX, scaled so that absolute tolerances do not stop at once."""

    def __init__(self, objective: HuberSum):
        self.exponents, self.target = objective.exponents, objective.target

    def value(self, p, _=None):
        """Huber sum over delta."""
        r = self._residual(p)
        inside = jnp.clip(r, -DELTA, DELTA)
        return jnp.sum(inside * (r - 0.5 * inside)) / DELTA

    def roots(self, p, _=None):
        """Signed roots (n,), half of whose sum of squares is the Huber sum over delta^2."""
        u = self._residual(p) / DELTA
        outside = jnp.abs(u) > 1
        far = jnp.sqrt(jnp.where(outside, 2 * jnp.abs(u) - 1, 1.0))  # no root near 0
        return jnp.where(outside, jnp.sign(u) * far, u)

    def _residual(self, p):
        return logsumexp((p @ self.exponents).reshape(3, -1), axis=0) - self.target


def _in_jax(repeats: int) -> list[tuple[str, str, Callable, int]]:
    """Package, name, function for `_Peers.compiled` and warm runs of the peers in JAX."""
    return [
        ("optimistix", "optimistix BFGS", _optimistix_bfgs, repeats),
        ("optimistix", "optimistix LevenbergMarquardt", _optimistix_lm, repeats),
        ("jaxopt", "jaxopt BFGS", lambda objective: _jaxopt("BFGS", objective), 1),
        ("jaxopt", "jaxopt LBFGS", lambda objective: _jaxopt("LBFGS", objective), 1),
        ("optax", "optax lbfgs", _optax, 1),
    ]


def _optimistix_bfgs(objective: _Traced):
    optimistix = import_module("optimistix")
    solver = optimistix.BFGS(**QUASI_NEWTON)

    def one(p):
        found = optimistix.minimise(objective.value, solver, p, max_steps=1000, throw=False)
        return found.value, found.stats["num_steps"]

    return one


def _optimistix_lm(objective: _Traced):
    optimistix, lineax = import_module("optimistix"), import_module("lineax")
    normal = lineax.Normal(lineax.Cholesky())
    solver = optimistix.LevenbergMarquardt(**MARQUARDT, linear_solver=normal)

    def one(p):
        found = optimistix.least_squares(objective.roots, solver, p, max_steps=1000, throw=False)
        return found.value, found.stats["num_steps"]

    return one


def _jaxopt(name: str, objective: _Traced):
    solver = getattr(import_module("jaxopt"), name)(
        objective.value, linesearch="zoom", implicit_diff=False, **LINE_SEARCHED
    )

    def one(p):
        found = solver.run(p)
        return found.params, found.state.num_fun_eval

    return one


def _optax(objective: _Traced):
    optax = import_module("optax")
    search = optax.scale_by_zoom_linesearch(LINE_SEARCHED["maxls"], initial_guess_strategy="one")
    solver = optax.lbfgs(linesearch=search)
    value_and_gradient = optax.value_and_grad_from_state(objective.value)

    def unfinished(carry):
        _, _, steps, _, norm = carry
        return (steps < LINE_SEARCHED["maxiter"]) & (norm > LINE_SEARCHED["tol"])

    def step(carry):
        p, state, steps, trials, _ = carry
        value, gradient = value_and_gradient(p, state=state)
        change, state = solver.update(
            gradient, state, p, value=value, grad=gradient, value_fn=objective.value
        )
        trials += optax.tree.get(state, "num_linesearch_steps")
        norm = jnp.linalg.norm(optax.tree.get(state, "grad"))
        return optax.apply_updates(p, change), state, steps + 1, trials, norm

    def one(p):
        found = jax.lax.while_loop(unfinished, step, (p, solver.init(p), 0, 1, jnp.inf))
        return found[0], found[3]

    return one


def _row(measured: Measured, best: float, against: Timing) -> dict[str, Any]:
    route = measured.route
    assert route.ends is not None
    exact = np.sum(route.ends <= best * (1 + EXACT)) / max(int(route.finished[0]), 1)
    return {
        **route.columns(np.array([best]), against),
        "share_exact": float(exact),
        "evaluations": measured.evaluations,
        "objective": float(route.objective[0]),
        "found": bool(route.objective[0] <= best * (1 + EXACT)),
    }


def _promises(rows, count: int, sets: int) -> list[dict[str, Any]]:
    """The promises, measured; None holds what a subset, or without its peer, cannot be judged."""
    ratios = {row["route"]: row["times_jaxfit"] for row in rows if row["found"]}
    optimistix = [ratio for name, ratio in ratios.items() if name.startswith("optimistix")]
    faster = [
        (
            min(optimistix, default=None),
            MIN_OVER_OPTIMISTIX,
            f"the fastest route of optimistix that finds the best optimum to {EXACT:g}",
        ),
        (
            next(row["times_jaxfit"] for row in rows if row["route"] == EXACT_GRADIENT),
            MIN_OVER_SCIPY,
            "SciPy's L-BFGS-B with exact gradient from the same starts",
        ),
    ]
    return [
        {
            "text": f"{OURS}: the best optimum to {EXACT:g} from {SETS} of {SETS} start sets",
            "measured": count,
            "holds": None if sets < SETS else count == sets,
        },
        *(
            {
                "text": f"warm, {OURS} at least {least:g} times faster than {whom}",
                "measured": ratio,
                "holds": None if ratio is None else ratio >= least,
            }
            for ratio, least, whom in faster
        ),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="peers",
        quick=QUICK,
        columns=COLUMNS,
        panel=("share_exact", f"share of finished starts within {EXACT:g} of the best"),
    )


if __name__ == "__main__":
    sys.exit(main())
