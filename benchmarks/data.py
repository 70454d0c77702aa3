"""The tables that the benchmarks fit; found through JAXFIT_DATA, never part of the repository."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

import jaxfit

VARIABLE = "JAXFIT_DATA"


class DataMissing(RuntimeError):
    """The tables are not where the environment says, or it says nothing."""


def find(name: str) -> Path:
    """The path of one file of the data folder; raises `DataMissing` naming the variable."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise DataMissing(
            f"{VARIABLE} is not set. Point it at the folder that holds epoch_chinchilla.csv, "
            "epoch_chinchilla_facts.json and sldbench/."
        )
    path = Path(folder) / name
    if not path.is_file():
        raise DataMissing(f"{VARIABLE} is {folder}, which holds no {name}.")
    return path


def chinchilla_runs() -> dict[str, np.ndarray]:
    """Columns N, D and loss of the 240 runs that Besiroglu et al. 2024 fit, each (240,)."""
    table = jaxfit.read(find("epoch_chinchilla.csv"))
    used = table.numbers("used_in_fit")[0] == 1
    return {name: table.numbers(name)[0][used] for name in ("N", "D", "loss")}


def isoflop_runs(experiment: str) -> dict[str, np.ndarray]:
    """Columns N, D, C and loss of an IsoFLOP sweep, each (m,), without its marked outliers."""
    table = jaxfit.read(find("isoflops_openathena.csv"))
    own = np.array(table.keys(["experiment"])) == experiment
    own &= np.array(table.keys(["outlier"])) == "False"
    names = {"N": "params", "D": "tokens", "C": "budget", "loss": "loss"}
    return {name: table.numbers(column)[0][own] for name, column in names.items()}


def chinchilla_facts() -> dict[str, Any]:
    """What Besiroglu et al. 2024 published: start grid, constants, objective."""
    return json.loads(find("epoch_chinchilla_facts.json").read_text())


def sft_runs(groups: int | None = None) -> dict[str, np.ndarray]:
    """Columns group, sft_data_size and sft_loss of the first `groups` groups (all by default)."""
    return _grouped("sft_scaling_law", ("sft_data_size", "sft_loss"), groups)


def u_shape_runs(groups: int | None = None) -> dict[str, np.ndarray]:
    """Columns group, log_flops and brier_score of the first `groups` groups (all by default)."""
    return _grouped("easy_question_scaling_law", ("log_flops", "brier_score"), groups)


def parallel_runs(groups: int | None = None) -> dict[str, np.ndarray]:
    """Columns group, num_params, parallel_size and loss of the first `groups` groups."""
    return _grouped("parallel_scaling_law", ("num_params", "parallel_size", "loss"), groups)


def _grouped(task, names, groups):
    table = jaxfit.read(find(f"sldbench/{task}.csv"))
    keys = np.array(table.keys(("group",)))
    used = np.isin(keys, list(dict.fromkeys(keys))[:groups])
    return {"group": keys[used], **{name: table.numbers(name)[0][used] for name in names}}
