"""The record of a search: one line for each turn, from which it goes on as if never stopped."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import path_of, write_whole
from .forms import Form, parse
from .history import Trial

QUESTION, TURNS, FORMAT = "question.json", "turns.jsonl", 1


@dataclass(frozen=True)
class Turn:
    """One turn of a search: who proposed what, and what became of it.

    proposed: the forms that were new. trials: those that were judged in full, with their constants
    [G][T][P] beside. work: what it cost, in seconds of a nominal machine. failed: why it could
    propose nothing.
    """

    proposer: str
    proposed: tuple[Form, ...]
    trials: tuple[Trial, ...]
    constants: tuple[list, ...]
    work: float
    failed: str = ""


class Record:
    """A folder with the question of a search and its turns."""

    def __init__(self, folder: Any, question: dict[str, Any], inputs: Sequence[str], resume: bool):
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
            "proposed": [self._said(each) for each in turn.proposed],
            "trials": [self._trial(trial) for trial in turn.trials],
            "constants": list(turn.constants),
            "work": turn.work,
            "failed": turn.failed,
        }
        with (self._folder / TURNS).open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _said(self, form: Form) -> tuple[str, str]:
        return form.text_beside(self._inputs), form.link

    def _trial(self, trial: Trial) -> dict[str, Any]:
        return {
            "form": self._said(trial.form),
            "error": trial.error,
            "folds": list(trial.folds),
            "training": trial.training,
            "notes": list(trial.notes),
            "seconds": trial.seconds,
        }


def on_record(folder: Any) -> tuple[dict[str, Any], list[Trial]]:
    """The question of the search in a folder, and its trials so far; nothing there is changed.

    Raises ValueError where there is no search.
    """
    path = Path(path_of(folder))
    if not (path / QUESTION).is_file():
        raise ValueError(f"{path} holds no search: there is no {QUESTION}. Give its --out folder.")
    question = json.loads((path / QUESTION).read_text())
    turns = path / TURNS
    lines = _whole_lines(turns) if turns.exists() else []
    found = [_turn(json.loads(line), question["inputs"]) for line in lines]
    return question, [trial for turn in found for trial in turn.trials]


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
