"""The record of a search: one line for each turn, from which it goes on as if never stopped."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import path_of, write_whole
from .forms import Form, parse
from .history import Trial

QUESTION, TURNS, CHOSEN, FORMAT = "question.json", "turns.jsonl", "chosen.json", 1
# Folders of searches that shared a time, in that of the whole.
SEVERAL = "search-[0-9]*"


@dataclass(frozen=True)
class Turn:
    """One turn of a search: who proposed what, and what became of it.

    proposed: all that was proposed, new or not, each form once. trials: those that were judged in
    full and can be used, with their constants [G][T][P] beside. work: what it cost, in seconds of a
    nominal machine. failed: why it could propose nothing.
    """

    proposer: str
    proposed: tuple[Form, ...]
    trials: tuple[Trial, ...]
    constants: tuple[list, ...]
    work: float
    failed: str = ""


class Record:
    """A folder with the question of a search and its turns."""

    def __init__(
        self, folder: Any, question: Mapping[str, Any], inputs: Sequence[str], resume: bool
    ):
        """Open the folder, or make it.

        Raises FileExistsError where there is a search and `resume` is false, and ValueError where
        the search there answers another question, naming what differs.
        """
        self._folder, self._inputs = Path(path_of(folder)), tuple(inputs)
        asked = json.loads(json.dumps({"format": FORMAT, **question}))
        path = self._folder / QUESTION
        if path.exists():
            if not resume:
                raise FileExistsError(
                    f"{self._folder} holds a search; give resume=True (--resume) to go on with it, "
                    "or another folder."
                )
            known = json.loads(path.read_text())
            for name in {**known, **asked}:
                if known.get(name) != asked.get(name):
                    raise ValueError(
                        f"The search in {self._folder} has another `{name}`: "
                        f"{known.get(name)!r}, and not {asked.get(name)!r}. Give another folder."
                    )
        else:
            several = question.get("searches", 1) > 1
            whole = self._folder.parent if several else self._folder
            if [*whole.glob(QUESTION if several else f"{SEVERAL}/{QUESTION}")]:
                raise ValueError(
                    f"The search in {whole} has another `searches`: "
                    f"{'it is one' if several else 'there are several'}. Give another folder."
                )
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(asked, indent=1).encode() + b"\n")

    def turns(self) -> list[Turn]:
        """The turns that were finished; a line that was cut short is taken away."""
        path = self._folder / TURNS
        if not path.exists():
            return []
        lines = _whole_lines(path)
        os.truncate(path, sum(map(len, lines)))
        return [_turn(json.loads(line), self._inputs) for line in lines]

    def add(self, turn: Turn) -> None:
        """Write a turn that was finished."""
        line = {
            "proposer": turn.proposer,
            "proposed": [_said(each, self._inputs) for each in turn.proposed],
            "trials": [_trial(trial, self._inputs) for trial in turn.trials],
            "constants": list(turn.constants),
            "work": turn.work,
            "failed": turn.failed,
        }
        with (self._folder / TURNS).open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def on_record(folder: Any) -> tuple[dict[str, Any], list[Trial]]:
    """The question of the search in a folder, and its trials so far; nothing there is changed.

    Of several searches that shared a time, the question of the first and the trials of all. Raises
    ValueError where there is no search.
    """
    path = Path(path_of(folder))
    places = [at for at in (path, *sorted(path.glob(SEVERAL))) if (at / QUESTION).is_file()]
    if not places:
        raise ValueError(
            f"{path} holds no search: {QUESTION} is neither in it nor in a folder search-0 "
            "there. Give the folder that out= (--out) named."
        )
    questions = [json.loads((at / QUESTION).read_text()) for at in places]
    trials = []
    for at, question in zip(places, questions, strict=True):
        lines = _whole_lines(at / TURNS) if (at / TURNS).exists() else []
        for line in lines:
            trials += _turn(json.loads(line), question["inputs"]).trials
    return questions[0], trials


def write_chosen(folder: Any, form: Form, inputs: Sequence[str]) -> None:
    """Put on record which law was chosen at the end of a search."""
    content = json.dumps({"form": _said(form, inputs)}).encode() + b"\n"
    write_whole(Path(path_of(folder)) / CHOSEN, content)


def chosen(folder: Any, inputs: Sequence[str]) -> Form | None:
    """The law that was chosen when the search in a folder ended last; None if it never did."""
    path = Path(path_of(folder)) / CHOSEN
    if not path.exists():
        return None
    text, link = json.loads(path.read_text())["form"]
    return parse(text, inputs, link)


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file, but for one that was cut short."""
    with path.open("rb") as file:
        return [line for line in file if line.endswith(b"\n")]


def _turn(line: dict[str, Any], inputs: Sequence[str]) -> Turn:
    return Turn(
        line["proposer"],
        tuple(parse(text, inputs, link) for text, link in line["proposed"]),
        tuple(_read(each, line["proposer"], inputs) for each in line["trials"]),
        tuple(line["constants"]),
        line["work"],
        line["failed"],
    )


def _read(said: dict[str, Any], proposer: str, inputs: Sequence[str]) -> Trial:
    text, link = said["form"]
    return Trial(
        form=parse(text, inputs, link),
        error=said["error"],
        folds=tuple(said["folds"]),
        training=said["training"],
        notes=tuple(said["notes"]),
        proposer=proposer,
        seconds=said["seconds"],
    )


def _said(form: Form, inputs: Sequence[str]) -> tuple[str, str]:
    return form.text_beside(inputs), form.link


def _trial(trial: Trial, inputs: Sequence[str]) -> dict[str, Any]:
    return {
        "form": _said(trial.form, inputs),
        "error": trial.error,
        "folds": list(trial.folds),
        "training": trial.training,
        "notes": list(trial.notes),
        "seconds": trial.seconds,
    }
