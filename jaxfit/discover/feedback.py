"""`evaluator`: formulas judged for a loop that writes them, such as OpenEvolve, and told in words.

The loop hands over files. A file is read and never run: it holds a formula, of which the constants
are fitted here, so that what is compared is formulas and not luck with fits.
"""

import ast
import math
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import path_of
from ..keywords import checked_keywords
from ..laws import nodes
from ..laws.text import tree_of
from ..select.sealed import SealedHoldout, choosing
from ..select.splits import Split
from .evidence import Evidence, Inputs, evidence
from .forms import Form, parse
from .judge import FLOOR, Judge
from .programs import fits
from .remarks import refusal, remarks
from .scoring import Score, compiled, of_judged

NAME = "FORM"
# Bytes of a file that are read; a formula is shorter.
LONGEST = 100_000
FAILED = -1.0
_COMMENT = re.compile(r"^[ \t]*#[ \t]*form[ \t]*:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)


class Reply(dict[str, float]):
    """Metrics of a formula, all of them numbers, and what is said of it.

    combined_score: to be maximised; the decades by which the error on held-out rows is below that
    of the mean, as a share of 12: 1 is exact, 0 says no more than the mean, -1 is a formula that
    failed. error, training_error: as of `jaxfit.discover.Score`; inf if it failed. constants: how
    many are fitted in each group. nodes: how long the formula is.

    A dict for loops that take one; `EvaluationResult(found.metrics, found.artifacts)` for
    OpenEvolve's, which hands the words to the model too.
    """

    def __init__(self, feedback: str, formula: str = "", score: Score | None = None):
        super().__init__(_metrics(score))
        self.feedback = feedback
        self.formula = formula  # as it was read; "" where none was
        self.score = score  # None where there was nothing to judge

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers."""
        return dict(self)

    @property
    def artifacts(self) -> dict[str, str]:
        """The words."""
        return {"feedback": self.feedback, **({"formula": self.formula} if self.formula else {})}


class Evaluator:
    """Judges the formulas of files, and remembers the best; made by `evaluator`.

    best: the score of the least error so far, None before any. It may be called from threads.
    """

    best: Score | None

    def __init__(self, known: Evidence, most: int | None, starts: int, seed: int):
        self.evidence, self.best = known, None
        self._most, self._starts, self._seed = most, starts, seed
        # One judge for all calls, and nothing learned from one for the next: a formula's score
        # does not depend on what was asked before it.
        self._judge = Judge(known, seed=seed, rows=None)
        self._known: dict[Form, Score] = {}
        self._lock = threading.Lock()

    def __call__(self, program_path: Any) -> Reply:
        """The evaluation of the formula that a file holds (`formula_of`); never an exception."""
        try:
            with Path(path_of(program_path)).open("rb") as file:
                text = file.read(LONGEST + 1).decode()
            said = formula_of(text)
        except (OSError, TypeError, ValueError) as error:
            return Reply(refusal(str(error), self.evidence, self._most))
        return self.formula(said)

    def formula(self, said: str) -> Reply:
        """The evaluation of a formula, such as "E + A*N^-alpha"."""
        try:
            form = self._read(said)
        except (ValueError, RecursionError) as error:
            return Reply(refusal(str(error), self.evidence, self._most), said)
        with self._lock, choosing("the evaluation of a formula"):
            score = self._known.get(form)
            if score is None:
                try:
                    score = self._known[form] = self._score(form)
                except Exception as error:  # a loop that runs for days must not end by it
                    why = f"It could not be fitted: {error}"
                    return Reply(refusal(why, self.evidence, self._most), said)
            before = self.best
            if before is None or score.error < before.error:
                self.best = score if math.isfinite(score.error) else before
        return Reply(remarks(score, before, self.evidence), said, score)

    def _read(self, said: str) -> Form:
        inputs = self.evidence.inputs
        columns = {_plain(name): name for name in inputs}
        for name in nodes.constants_of(tree_of(said, inputs)):
            if _plain(name) in columns:
                raise ValueError(f"`{name}` is no input: write `{columns[_plain(name)]}`.")
        form = parse(said, inputs)
        if self._most is not None and form.num_constants > self._most:
            raise ValueError(
                f"`{form}` has {form.num_constants} constants, and at most {self._most} are taken."
            )
        return form

    def _score(self, form: Form) -> Score:
        if not fits(form):
            return compiled(form, self.evidence, starts=self._starts, seed=self._seed)
        (judged,) = self._judge.judge([form], starts=self._starts)
        return of_judged(judged, self.evidence)


@checked_keywords
def evaluator(
    data: Any,
    *,
    target: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: Inputs = None,
    folds: str | Split | Sequence[Split] = "auto",
    max_constants: int | None = None,
    starts: int = 8,
    seed: int = 0,
    nan: str = "raise",
) -> Evaluator:
    """What a loop that evolves formulas calls with a path: `evaluate(program_path)`.

    The file is read, not run; where its formula is, `formula_of` says. The formula is fitted in
    every group and judged as by `jaxfit.discover.score`, of which data, target, by, inputs, folds,
    starts, seed and nan are known; the first call compiles, later ones do not. What cannot be read
    or fitted gets the least score, and the feedback says why. Of a `SealedHoldout`, the sealed rows
    stay sealed.

    max_constants: formulas of more are refused; None takes any.

    Returns an `Evaluator`, whose calls return a `Reply` and raise nothing. Raises ValueError or
    TypeError for a table or column that cannot be used.
    """
    whole = isinstance(max_constants, int) and not isinstance(max_constants, bool)
    if max_constants is not None and not (whole and max_constants >= 1):
        raise ValueError(f"max_constants={max_constants!r}: give an integer, 1 or above, or None.")
    table = data.training if isinstance(data, SealedHoldout) else data
    known = evidence(table, target=target, by=by, inputs=inputs, folds=folds, nan=nan)
    return Evaluator(known, max_constants, starts, seed)


def formula_of(text: str) -> str:
    """The formula in the text of a file.

    It is, whichever comes first of these that the text has:
    a module-level assignment of one string, `FORM = "E + A*N^-alpha"`, in what is Python;
    one comment line, `# form: E + A*N^-alpha`;
    or all of the text, where it is one line beside blank ones and comments.

    Raises ValueError, saying what to write, where there is none or more than one.
    """
    if len(text) > LONGEST:
        raise ValueError(f"The file is longer than {LONGEST} characters; a formula is shorter.")
    for found in (_assigned(text), _COMMENT.findall(text), _bare(text)):
        if len(found) > 1:
            raise ValueError(f"The file holds {len(found)} formulas: {found}. Leave one.")
        if found:
            return found[0]
    raise ValueError(
        f'The file holds no formula. Write one line `{NAME} = "E + A*N^-alpha"`, or '
        "`# form: E + A*N^-alpha`, or the formula alone."
    )


def _assigned(text: str) -> list[str]:
    """Strings that are assigned to `FORM` at the top level."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    for line in body:
        names = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
        if not isinstance(line, ast.Assign | ast.AnnAssign):
            continue
        if not any(isinstance(name, ast.Name) and name.id == NAME for name in names):
            continue
        if not (isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)):
            raise ValueError(
                f"Line {line.lineno}: {NAME} is computed, and the file is not run. Write the "
                f'formula as one string, {NAME} = "E + A*N^-alpha".'
            )
        found.append(" ".join(line.value.value.split()))
    return found


def _bare(text: str) -> list[str]:
    """The only line of the text beside blank ones and comments."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    return kept if len(kept) == 1 else []


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", str(name)).lower()


def _metrics(score: Score | None) -> dict[str, float]:
    if score is None:
        return _all(FAILED, math.inf, math.inf, 0, 0)
    assert isinstance(score.law, Form)
    share = (
        math.log10(score.error + FLOOR) / math.log10(FLOOR) if score.error < math.inf else FAILED
    )
    share = min(max(share, FAILED), 1.0)
    return _all(share, score.error, score.training, score.constants, score.law.nodes)


def _all(combined_score, error, training_error, constants, nodes) -> dict[str, float]:
    names = ("combined_score", "error", "training_error", "constants", "nodes")
    values = (combined_score, error, training_error, constants, nodes)
    return {name: float(value) for name, value in zip(names, values, strict=True)}
