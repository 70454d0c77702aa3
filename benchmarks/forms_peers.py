"""Forms fitted one by one: by SciPy with derivatives of the interpreter, compiled, by pyoperon."""

import contextlib
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from jaxfit.discover.batch import Wanted, seen, traits
from jaxfit.discover.evidence import Evidence
from jaxfit.discover.forms import Form
from jaxfit.discover.interpreter import derivatives, registers
from jaxfit.discover.lanes import fit_block
from jaxfit.discover.programs import Size, programs, size_of
from jaxfit.discover.ranges import ranges
from jaxfit.laws import nodes
from jaxfit.laws.nodes import CONSTANT, INPUT, NUMBER, Node

TIGHT: dict[str, Any] = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "max_nfev": 400}
_SINGULAR, _INWARD = 1e-13, 1e-9


def sum_of_squares(form: Form, columns, target, constants) -> float:
    """What every route is judged by; inf where it is not finite."""
    with np.errstate(all="ignore"):
        found = float(np.sum((form.predict(columns, constants) - target) ** 2))
    return found if np.isfinite(found) else np.inf


@functools.partial(jax.jit, static_argnums=1)
def _evaluated(program, size, constants, leaves):
    held = registers(program, size, jnp.repeat(constants[:, None], leaves.shape[1], 1), leaves)
    return held[program.output], derivatives(program, size, held, leaves.shape[0] // 2)


class Projected:
    """Residuals (n,) of a form in its nonlinear constants, the others solved (Kaufman 1975)."""

    def __init__(self, wanted: Wanted, columns, target):
        self.form, self.limits, self.target = wanted.form, wanted.limits, target
        self.size = size_of(wanted.form)
        own = programs([wanted.form], tuple(columns), self.size)
        self.program = jax.tree.map(lambda part: part[0], own)
        values = np.stack(list(columns.values()))
        self.leaves = np.concatenate([values, np.log(values)])
        self.linear = sorted(wanted.form.linear)
        self.rest = [p for p in range(wanted.form.num_constants) if p not in wanted.form.linear]
        self.last: tuple = (None, None, None, None)

    def at(self, place):
        """Residuals (n,) and derivatives (n, P) at search coordinates (P,)."""
        constants = np.zeros(self.size.constants)
        constants[: len(place)] = self.limits.constants(place)
        with jax.enable_x64(True):
            found, to = _evaluated(self.program, self.size, constants, self.leaves)
        to = np.asarray(to)[: len(place)].T * np.where(self.limits.log, constants[: len(place)], 1)
        return np.asarray(found) - self.target, to

    def known(self, x):
        """Residuals (n,), derivatives (n, R) to the nonlinear constants x (R,), all constants."""
        if self.last[0] != x.tobytes():
            place = np.ones(self.form.num_constants)
            place[self.rest] = x
            off, to = self.at(place)
            if self.linear and np.isfinite(off).all() and np.isfinite(to).all():
                length = np.linalg.norm(to[:, self.linear], axis=0)
                length[length == 0] = 1.0
                basis, sizes, turn = np.linalg.svd(to[:, self.linear] / length, full_matrices=False)
                keep = sizes > _SINGULAR * sizes[0]
                basis = basis[:, keep]
                place[self.linear] -= (turn[keep].T @ (basis.T @ off / sizes[keep])) / length
                off, to = self.at(place)
                off, to = (part - basis @ (basis.T @ part) for part in (off, to))
            finite = np.isfinite(off).all() and np.isfinite(to).all()
            off, to = (off, to[:, self.rest]) if finite else (off * 0 + 1e150, to[:, self.rest] * 0)
            self.last = (x.tobytes(), off, np.nan_to_num(to), self.limits.constants(place))
        return self.last[1:]

    def fitted(self, start) -> np.ndarray:
        """The constants (P,) to which SciPy's trust region gets from a start (P,)."""
        low, high = (end[self.rest] for end in (self.limits.low, self.limits.high))
        x = np.clip(start[self.rest], low + _INWARD, high - _INWARD)
        with np.errstate(all="ignore"):
            if self.rest and self.known(x)[0][0] < 1e150:
                # SciPy raises where the numbers of its trust region overflow: the start is lost.
                with contextlib.suppress(ValueError, np.linalg.LinAlgError):
                    x = optimize.least_squares(
                        lambda x: self.known(x)[0],
                        x,
                        lambda x: self.known(x)[1],
                        bounds=(low, high),
                        x_scale="jac",
                        **TIGHT,
                    ).x
            return self.known(x)[2]


class Compiled:
    """A form that is compiled by itself, and fitted by the steps that the interpreter takes.

    JAX compiles and differentiates it, as it does a law that a user writes.
    """

    def __init__(self, wanted: Wanted, evidence: Evidence):
        form, self.wanted = wanted.form, wanted
        law = Form(form.root).law(ranges(form, evidence.columns))

        def model(constants, leaves):
            columns = dict(zip(evidence.inputs, leaves, strict=False))

            def said(constants):
                own = dict(zip(form.names, constants, strict=True))
                return law(*(columns[name] for name in law.inputs), **own)

            found, back = jax.vjp(said, constants)
            return found, lambda: back(jnp.ones_like(found))[0]

        size = Size(form.num_constants, 0, 0)
        with jax.enable_x64(True):
            table = jax.tree.map(jnp.asarray, seen(evidence, evidence.cells([0]), form.link))
            own = jax.tree.map(lambda part: jnp.asarray(part[0]), traits([wanted], size, 0))
            cell = jnp.zeros(wanted.starts.shape[1], int)
        self._fit = jax.jit(lambda start, steps: fit_block(model, own, table, cell, start, steps))

    def fitted(self, steps: int, starts: np.ndarray) -> np.ndarray:
        """The constants (S, P) to which it gets from each start (S, P)."""
        with jax.enable_x64(True):
            place = self._fit(starts, steps)[0]
        return self.wanted.limits.constants(np.asarray(place))


class Operon:
    """pyoperon's Levenberg-Marquardt on its own trees, in its float32."""

    def __init__(self, columns, target, steps: int):
        import pyoperon

        self.operon, self.target = pyoperon, target
        table = np.column_stack([*columns.values(), target])
        self.data = pyoperon.Dataset(np.asfortranarray(table))
        variables = sorted(self.data.Variables, key=lambda v: v.Index)
        self.hashes = {name: v.Hash for name, v in zip(columns, variables[:-1], strict=True)}
        self.problem = pyoperon.Problem(self.data)
        self.problem.TrainingRange = pyoperon.Range(0, len(target))
        self.problem.TestRange = pyoperon.Range(len(target) - 1, len(target))
        self.problem.Target = variables[-1]
        self.problem.InputHashes = list(self.hashes.values())
        self.table = pyoperon.DispatchTable()
        self.descent = pyoperon.LMOptimizer(self.table, self.problem, max_iter=steps)
        self.optimizer = pyoperon.CoefficientOptimizer(self.descent)

    def tree(self, wanted: Wanted, place) -> tuple[Any, list[int]]:
        """The tree of a form at search coordinates (P,), and which constant each coefficient is."""
        order: list[int] = []
        found = self._postfix(wanted.form.root, wanted, place, order)
        return self.operon.Tree(found).UpdateNodes(), order

    def fitted(self, trees: Sequence[Any], threads: int) -> list[list[float]]:
        """The coefficients to which each tree gets."""

        def one(share):
            rng = self.operon.RandomGenerator(0)
            return [self.optimizer(rng, tree)[0].GetCoefficients() for tree in share]

        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(one, [trees[i::threads] for i in range(threads)]))
        out: list = [None] * len(trees)
        for i, part in enumerate(parts):
            out[i::threads] = part
        return out

    def _postfix(self, node: Node, wanted, place, order) -> list[Any]:
        """Nodes in Operon's order: what is first comes last before the operator."""
        if node.op == NUMBER:
            return [self._leaf(node.args[0], False)]
        if node.op == INPUT:
            leaf = self.operon.Node.Variable(1.0)
            leaf.HashValue, leaf.Optimize = self.hashes[node.args[0]], False
            return [leaf]
        if node.op == CONSTANT:
            key = node.args[0]
            order.append(key)
            # Searched in the same coordinate as by jaxfit.
            bent = [self._operator("Exp")] if wanted.limits.log[key] else []
            return [self._leaf(place[key], True), *bent]
        name, *args = _in_operon(node)
        parts = [self._postfix(arg, wanted, place, order) for arg in args[::-1]]
        return [*(leaf for part in parts for leaf in part), self._operator(name)]

    def _operator(self, name: str):
        return self.operon.Node(getattr(self.operon.NodeType, name))

    def _leaf(self, value: float, fitted: bool):
        leaf = self.operon.Node.Constant(float(value))
        leaf.Optimize = fitted
        return leaf


def _in_operon(node: Node) -> tuple[Any, ...]:
    """An operator as the name of one of Operon's, and its arguments."""
    one = nodes.number(1.0)
    if node.op == "pow" and node.args[1] == nodes.number(2.0):
        return "Square", node.args[0]
    if node.op == "pow" and node.args[1] == nodes.number(-1.0):
        return "Div", one, node.args[0]
    if node.op == "neg":
        return "Mul", nodes.number(-1.0), node.args[0]
    if node.op == "softplus":
        return "Log1p", nodes.apply("exp", *node.args)
    if node.op == "sigmoid":
        return "Div", one, one + nodes.apply("exp", -node.args[0])
    return {"max": "Fmax", "min": "Fmin"}.get(node.op, node.op.title()), *node.args
