"""A loop in the manner of OpenEvolve: a model writes formulas, jaxfit fits and judges them.

    python examples/llm_loop.py                                         # a few rules write them
    JAXFIT_LLM_MODEL=a-model OPENAI_API_KEY=... python examples/llm_loop.py     # a language model
    JAXFIT_LLM_MODEL=a-model OPENAI_BASE_URL=http://localhost:8000/v1 python examples/llm_loop.py

Any endpoint that speaks OpenAI's chat completions will do; `pip install ".[llm]"`.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

import jaxfit
from jaxfit import discover
from jaxfit.discover.history import History, Question, Trial
from jaxfit.discover.llm import LLM, Budget

INPUTS, TURNS, MOST = ("N", "D"), 2, 5
TERMS = ("c*N^-p", "c*D^-p", "c*(N*D)^-p", "c*log(N)")


class Rules:
    """Writes formulas where there is no model: the best ones so far, each with a term more."""

    name = "rules"

    def propose(self, history: History, n: int) -> list[discover.Form]:
        """At most n formulas that were not tried."""
        best = [str(trial.form) for trial in history.best(3)] or ["E"]
        forms = [discover.parse(f"{one} + {term}", INPUTS) for one in best for term in TERMS]
        tried = {trial.form for trial in history.trials}
        return [form for form in forms if form not in tried and form.num_constants <= MOST][:n]


def made_up_runs() -> dict[str, list]:
    """Two families on a grid of sizes, by a law that the loop is to find."""
    rng = np.random.default_rng(0)
    runs: dict[str, list] = {"family": [], "N": [], "D": [], "loss": []}
    for family, (E, A, B) in {"code": (0.8, 420, 1100), "web": (1.7, 400, 410)}.items():
        for N in np.geomspace(1e7, 1e10, 6):
            for D in np.geomspace(1e9, 1e12, 6):
                loss = E + A * N**-0.34 + B * D**-0.3
                row = (family, N, D, loss * np.exp(0.002 * rng.standard_normal()))
                for cells, cell in zip(runs.values(), row, strict=True):
                    cells.append(cell)
    return runs


# The largest models are sealed: neither the model nor a fit sees them before the loop is over.
runs = jaxfit.SealedHoldout(made_up_runs(), jaxfit.Largest("N", 0.2))
evaluate = discover.evaluator(runs, target="loss", by="family", inputs=INPUTS, max_constants=MOST)
known = evaluate.evidence
scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
if os.environ.get("JAXFIT_LLM_MODEL"):
    proposer = LLM(budget=Budget(calls=TURNS, tokens=60_000), log=folder / "calls.jsonl")
else:
    proposer = Rules()
print(f"{proposer.name} writes the formulas")

ranges = {name: (values.min(), values.max()) for name, values in known.columns.items()}
history = History(Question(INPUTS, "loss", MOST, ranges, len(known.target), len(known.groups)))
for turn in range(TURNS):
    for i, form in enumerate(proposer.propose(history, 12)):
        # What a loop hands over is a file; it is read and never run.
        path = folder / f"turn{turn}_{i}.py"
        path.write_text(f'FORM = "{form}"\n')
        reply = evaluate(path)
        notes = reply.score.warnings if reply.score else (reply.feedback,)
        history.trials.append(
            Trial(form, reply["error"], training=reply["training_error"], notes=notes)
        )
    best = evaluate.best
    print(f"turn {turn + 1}: {len(history.trials)} formulas; best {best.error:.3g}: {best.law}")

print(evaluate.formula(str(best.law)).feedback)  # what a loop of your own may tell its model

fit = jaxfit.fit(str(best.law), runs.training, target="loss", by="family", pipeline="auto")
sealed = runs.open("the loop is over")
loss = sealed.numbers("loss")[0]
r2 = 1 - np.mean((fit.predict(sealed) - loss) ** 2) / np.var(loss)
print("ok:" if r2 > 0.9 else "poor:", f"R2 {r2:.4f} on the largest models, opened after the loop")
scratch.cleanup()
