"""Many forms fitted in many cells from many starts, by the interpreter, on all cores."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from . import lanes
from .evidence import Cells, Evidence
from .forms import Form
from .programs import Programs, Size, programs, size_of
from .ranges import Limits

# Registers of about so many numbers are fastest: they stay in the cache. Of more lanes than `LANES`
# small equations cost more than registers.
REGISTER, LANES = 800, 16
# Blocks that are handed to the compiled program in one call.
BLOCKS = 64
# Instructions that a step costs beside those of the program.
_SOLVING = 10


@dataclass(frozen=True)
class Fitted:
    """A form, fitted in C cells."""

    constants: np.ndarray  # (C, P) best of the starts
    training: np.ndarray  # (C,) sum of squares of the fitted rows; inf where nothing was finite
    held: np.ndarray  # (C,) sum of squares of the rows that were held out
    converged: np.ndarray  # (C,) bool
    identified: np.ndarray  # (C,) bool, the fitted rows tell all constants apart
    work: float  # numbers that were computed, in all


def joined(one: Fitted, two: Fitted, order: np.ndarray) -> Fitted:
    """A form's fits in the cells of both, in another order."""
    parts = [
        np.concatenate([getattr(each, name) for each in (one, two)])[order]
        for name in ("constants", "training", "held", "converged", "identified")
    ]
    return Fitted(*parts, work=one.work + two.work)


class Wanted(NamedTuple):
    """What is to be fitted: a form, and its starts in search coordinates."""

    form: Form
    limits: Limits
    starts: np.ndarray  # (c or 1, S, P)
    borrowed: int = 0  # first starts that other rows than the cell's own have told of


def fit_batch(
    wanted: Sequence[Wanted],
    evidence: Evidence,
    cells: Cells,
    *,
    only: np.ndarray | None = None,
    max_steps: int = 30,
    workers: int | None = None,
) -> list[Fitted]:
    """Fit forms in the same C cells, or in those of `only` (c,), of which the answers then are.

    All cells are handed over, so that other cells of them cost no compilation.
    """
    out: dict[int, Fitted] = {}
    chosen = np.arange(len(cells)) if only is None else only
    alike: dict[tuple[str, Size], list[int]] = {}
    for i, w in enumerate(wanted):
        alike.setdefault((w.form.link, size_of(w.form)), []).append(i)
    tables = {link: seen(evidence, cells, link) for link in {link for link, _ in alike}}
    tasks = [
        (part, size, tables[link])
        for (link, size), own in alike.items()
        for part in _parts(own, wanted, len(chosen), evidence)
    ]

    def work(task) -> dict[int, Fitted]:
        own, size, table = task
        with jax.enable_x64(True):
            found = _fit_part(
                [wanted[i] for i in own], evidence, cells, chosen, table, size, max_steps
            )
        return dict(zip(own, found, strict=True))

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for done in pool.map(work, tasks):
            out.update(done)
    return [out[i] for i in range(len(wanted))]


def seen(evidence: Evidence, cells: Cells, link: str) -> lanes.Cells:
    """The cells as they are fitted, on the scale of a link."""
    columns = np.stack([evidence.columns[name] for name in evidence.inputs])[:, evidence.rows]
    with np.errstate(all="ignore"):
        leaves = np.concatenate([columns, np.log(columns)]).swapaxes(0, 1)
        target, weight = cells.target, cells.train
        if link == "log":
            # To first order, squared errors of the target itself.
            weight = np.where(target > 0, weight * target**2, 0.0)
            target = np.log(np.where(target > 0, target, 1.0))
    return lanes.Cells(leaves, target, weight, cells.group.astype(np.int32))


def _lanes_per_block(evidence: Evidence) -> int:
    return min(LANES, max(1, round(REGISTER / evidence.rows.shape[1])))


def _parts(own, wanted, num_cells: int, evidence: Evidence) -> Iterator[list[int]]:
    """Forms in parts whose blocks fill one call."""
    per_block, part, blocks = _lanes_per_block(evidence), [], 0
    for i in own:
        need = -(-num_cells * wanted[i].starts.shape[1] // per_block)
        if part and blocks + need > BLOCKS:
            yield part
            part, blocks = [], 0
        part.append(i)
        blocks += need
    if part:
        yield part


def _fit_part(part, evidence: Evidence, cells: Cells, chosen, table: lanes.Cells, size, steps: int):
    """Fit the forms of one part."""
    per_block, num = _lanes_per_block(evidence), len(chosen)
    code = programs([w.form for w in part], evidence.inputs, size)
    code, trait = _padded(code, BLOCKS), traits(part, size, BLOCKS)
    which, cell, start = [], [], []
    for q, w in enumerate(part):
        starts = np.broadcast_to(w.starts, (num, *w.starts.shape[1:]))
        count = starts.shape[1]
        lane = np.arange(-(-num * count // per_block) * per_block) % (num * count)
        flat = np.zeros((num * count, size.constants))
        flat[:, : starts.shape[2]] = starts.reshape(num * count, -1)
        blocks = len(lane) // per_block
        which.append(np.full(blocks, q, np.int32))
        cell.append(chosen[lane // count].astype(np.int32).reshape(blocks, per_block))
        start.append(flat[lane].reshape(blocks, per_block, -1))
    total = sum(map(len, which))
    found = [
        lanes.fit_jobs(code, trait, table, jobs, np.int32(steps), size=size)
        for jobs in _calls(*map(np.concatenate, (which, cell, start)), empty=len(part))
    ]
    joined = [np.concatenate([np.asarray(part[k]) for part in found])[:total] for k in range(6)]
    return _split(part, cells.of(chosen), which, code.length, *joined)


def _calls(which, cell, start, empty: int) -> Iterator[lanes.Jobs]:
    """Jobs of `BLOCKS` blocks each; what is missing is filled with an empty program."""
    for first in range(0, len(which), BLOCKS):
        part = slice(first, first + BLOCKS)
        lack = BLOCKS - len(which[part])
        yield lanes.Jobs(
            np.pad(which[part], (0, lack), constant_values=empty),
            np.pad(cell[part], ((0, lack), (0, 0))),
            np.pad(start[part], ((0, lack), (0, 0), (0, 0))),
        )


def _padded(code: Programs, count: int) -> Programs:
    def pad(part: np.ndarray) -> np.ndarray:
        return np.pad(part, [(0, count + 1 - len(part))] + [(0, 0)] * (part.ndim - 1))

    return Programs(*map(pad, code))


def traits(part: Sequence[Wanted], size: Size, count: int) -> lanes.Traits:
    """Of the forms of a part, and of as many empty programs as make `count` + 1."""
    linear, log, free = np.zeros((3, count + 1, size.constants), bool)
    low, high = np.full((2, count + 1, size.constants), np.inf)
    low = -low
    for q, w in enumerate(part):
        own = slice(w.form.num_constants)
        free[q, own] = True
        linear[q, list(w.form.linear)] = True
        log[q, own], low[q, own], high[q, own] = w.limits.log, w.limits.low, w.limits.high
    order = np.argsort(np.where(free, ~linear, 2), axis=1, kind="stable").astype(np.int32)
    solved, used = (part.sum(axis=1, dtype=np.int32) for part in (linear, free))
    linear, log, free, low, high = (
        np.take_along_axis(each, order, axis=1) for each in (linear, log, free, low, high)
    )
    return lanes.Traits(linear, log, free, low, high, order, solved, used)


def _split(
    part, cells: Cells, which, length, place, training, converged, prediction, identified, steps
) -> list[Fitted]:
    """What was found in each cell, from the lanes of all blocks.

    Where the rows of a cell leave constants open, a start that other rows told of would keep what
    these say: it is not taken.
    """
    out, first, num = [], 0, len(cells)
    for w, own in zip(part, which, strict=True):
        count = w.starts.shape[1]
        rows = slice(first, first + len(own))
        first += len(own)

        def lanes_of(values: Any, rows=rows, count=count):
            flat = values[rows].reshape(-1, *values.shape[2:])[: num * count]
            return flat.reshape(num, count, *values.shape[2:])

        value, told = lanes_of(training), lanes_of(identified)
        knows = np.arange(count) < w.borrowed
        fair = np.where(knows & ~told, np.inf, value)
        at = np.arange(num), fair.argmin(axis=1)
        constants = lanes_of(place)[at][:, : w.form.num_constants]
        constants = w.limits.constants(constants)
        said = lanes_of(prediction)[at]
        with np.errstate(all="ignore"):
            said = np.exp(said) if w.form.link == "log" else said
            off = (said - cells.target) ** 2
            held = np.sum(np.where(cells.held > 0, cells.held * off, 0.0), axis=1)
            trained = np.sum(np.where(cells.train > 0, cells.train * off, 0.0), axis=1)
        failed = ~np.isfinite(fair[at])
        out.append(
            Fitted(
                constants,
                np.where(failed | ~np.isfinite(trained), np.inf, trained),
                np.where(failed | ~np.isfinite(held), np.inf, held),
                lanes_of(converged)[at],
                told[at],
                float(steps[rows].sum() * (_SOLVING + length[len(out)]) * prediction[0].size),
            )
        )
    return out
