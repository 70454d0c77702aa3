"""`python tests/on_devices.py FILE`: fits, and what they took, for `test_devices.py` to compare.

A process of its own, for JAX counts its devices once.
"""

import dataclasses
import sys
from collections import Counter, defaultdict

import jax
import numpy as np
from jax import monitoring

import jaxfit
from jaxfit.solve import programs
from jaxfit.solve.devices import devices

PIPELINES = ("auto", "adam-lbfgs")
OPTIONS = {"target": "loss", "by": "group", "nan": "mask", "starts": 16, "seed": 5}
MANY, LONG, BROKEN, HUGE = 518, 5, 7, 11
PARTS = (programs.draw_and_screen, programs.advance, programs.derive, programs.predict)


def table(long: int = LONG) -> dict[str, np.ndarray]:
    """Ragged groups of the fine-tuning law, one of them without a loss and one of another scale.

    long: how many are longer than the others, and so of other programs.
    """
    rng = np.random.default_rng(0)
    sizes = rng.integers(8, 17, MANY)
    sizes[:long] = rng.integers(40, 61, long)
    group = np.repeat(np.arange(MANY), sizes)
    N = 10 ** rng.uniform(2.3, 5.7, len(group))
    loss = rng.uniform(1, 4, MANY)[group] + 20.0 * N ** -rng.uniform(0.1, 1.0, MANY)[group]
    loss += 0.01 * rng.standard_normal(len(group))
    loss[group == BROKEN] = np.nan
    loss[group == HUGE] *= 1e20
    return {"group": group, "N": N, "loss": loss}


def arrays(fit: jaxfit.Fit) -> dict[str, np.ndarray]:
    """Everything of a fit that is an array, and its notes."""
    out = {"notes": np.array([repr(note) for note in fit.notes])}
    for field in dataclasses.fields(fit):
        value = getattr(fit, field.name)
        if isinstance(value, np.ndarray):
            out[field.name] = value.astype(str) if value.dtype == object else value
        elif field.name in ("params", "at_bound", "second_params"):
            out |= {f"{field.name}.{name}": column for name, column in value.items()}
    return out


def watched(used: dict[str, Counter]):
    """Have every call of a program count, by its name, the devices that its result is on."""
    call = programs.Program.__call__

    def counted(program, *arguments):
        found = call(program, *arguments)
        used[program.__name__].update(d.id for d in jax.tree.leaves(found)[0].sharding.device_set)
        return found

    programs.Program.__call__ = counted


def main(path: str) -> None:
    """Fit by every pipeline, twice, and write the arrays of all that is to be compared."""
    used: dict[str, Counter] = defaultdict(Counter)
    compiled: Counter = Counter()
    monitoring.register_event_duration_secs_listener(lambda name, *_, **__: compiled.update([name]))
    watched(used)
    out = {}
    for pipeline, long in zip(PIPELINES, (LONG, 0), strict=True):
        fit = jaxfit.fit("finetuning", table(long), pipeline=pipeline, **OPTIONS)
        out |= {f"{pipeline}.{name}": column for name, column in arrays(fit).items()}
    again = Counter(compiled)
    jaxfit.fit("finetuning", table(), pipeline=PIPELINES[0], **OPTIONS)
    compiling = "/jax/core/compile/backend_compile_duration"
    out["compiled"] = np.array([again[compiling], compiled[compiling] - again[compiling]])
    for part in PARTS:
        out[f"devices.{part.__name__}"] = np.array(sorted(used[part.__name__]))
        out[f"versions.{part.__name__}"] = np.array(part.num_compiled())
    with jax.default_device(jax.local_devices()[-1]):
        out["named"] = np.array(len(devices()))
    np.savez(path, **out)


if __name__ == "__main__":
    main(sys.argv[1])
