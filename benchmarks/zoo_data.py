"""The tables that the whole zoo is fitted to: what their columns mean, and what is held out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import jaxfit
from jaxfit.select import splits

from . import data

HELD_OUT = 0.2
# Training FLOP a parameter and a token.
FLOP = 6.0
# A parabola has three constants, and one of its two sides is held out.
LEAST_RUNS_OF_A_BUDGET = 6
# Two of eight, for all of them take four times as long.
GADRE_LOSSES = ("loss_openlm", "loss_c4_val")


@dataclass(frozen=True, eq=False)
class Source:
    """One table of m rows, by the meanings of its columns."""

    group: np.ndarray  # (m,) keys
    columns: Mapping[str, np.ndarray]  # {meaning: (m,)}
    targets: Mapping[str, Mapping[str, np.ndarray]]  # {meaning: {column: (m,)}}
    scale: np.ndarray  # (m,) what the held-out rows are the largest of
    scale_name: str


def largest(scale: np.ndarray, share: float = HELD_OUT) -> np.ndarray:
    """Which rows (m,) have the largest scales (m,); rows of one scale are never parted.

    As many of the largest different scales as come nearest to the share of the rows, at least
    one and not all. Raises ValueError where all scales are the same.
    """
    held = splits.largest(scale, share)
    if not held.any():
        raise ValueError("All rows have one scale; none can be held out.")
    return held


def held_out(source: Source) -> np.ndarray:
    """Which rows (m,) are kept from the fit: the largest of each group."""
    out = np.zeros(len(source.group), bool)
    for key in dict.fromkeys(source.group.tolist()):
        rows = source.group == key
        out[rows] = largest(source.scale[rows])
    return out


def epoch_chinchilla() -> Source:
    """The 240 runs that Besiroglu et al. 2024 fit; C is the column, 6 N D to rounding."""
    table = jaxfit.read(data.find("epoch_chinchilla.csv"))
    used = table.numbers("used_in_fit")[0] == 1
    runs = {name: values[used] for name, values in _numbers(table, "N", "D", "C", "loss").items()}
    return _by_compute(_one_group(runs["loss"]), runs["N"], runs["D"], runs["C"], runs["loss"])


def kyo_takano_llm() -> Source:
    """Small language models; C is the column, 6 N D to rounding."""
    table = jaxfit.read(data.find("kyo_takano_llm.csv"))
    runs = _numbers(table, "N", "D", "C", "loss")
    return _by_compute(_one_group(runs["loss"]), runs["N"], runs["D"], runs["C"], runs["loss"])


def gadre_overtraining() -> Source:
    """A group a training set, and all runs: the five a training set that the paper fits are too
    few to hold any out.

    C = 6 N D with all parameters. Learning rate and batch follow the model, and the batch of the
    largest is missing, so they are no inputs.
    """
    table = jaxfit.read(data.find("gadre_overtraining.csv"))
    runs = _numbers(table, "N", "D", *GADRE_LOSSES)
    compute = FLOP * runs["N"] * runs["D"]
    losses = {name: runs[name] for name in GADRE_LOSSES}
    columns = _sizes(runs["N"], runs["D"], compute)
    return Source(_keys(table, "train_set"), columns, {"loss": losses}, compute, "compute")


def isoflops() -> Source:
    """A group an experiment, without outliers; C is the budget, which is 6 N D to some 30 %."""
    runs, keys = _isoflops()
    return _by_compute(
        keys["experiment"], runs["params"], runs["tokens"], runs["budget"], runs["loss"]
    )


def isoflops_by_budget() -> Source:
    """A group an experiment and budget, without outliers: the lines of equal compute themselves."""
    runs, keys = _isoflops()
    pairs = zip(keys["experiment"].tolist(), runs["budget"].tolist(), strict=True)
    group = np.array([f"{experiment} {budget:g}" for experiment, budget in pairs])
    known, counts = np.unique(group, return_counts=True)
    used = np.isin(group, known[counts >= LEAST_RUNS_OF_A_BUDGET])
    return Source(
        group[used],
        {
            "parameters at one compute": runs["params"][used],
            "data at one compute": runs["tokens"][used],
        },
        {"loss": {"loss": runs["loss"][used]}},
        runs["params"][used],
        "parameters",
    )


def _isoflops():
    table = jaxfit.read(data.find("isoflops_openathena.csv"))
    used = _keys(table, "outlier") == "False"
    runs = _numbers(table, "params", "tokens", "budget", "loss")
    keys = {"experiment": _keys(table, "experiment")[used]}
    return {name: values[used] for name, values in runs.items()}, keys


def parallel_scaling_law() -> Source:
    """P parallel streams of models of N parameters."""
    table = _sldbench("parallel_scaling_law")
    runs = _numbers(table, "num_params", "parallel_size", "loss")
    columns = {"parameters": runs["num_params"], "streams": runs["parallel_size"]}
    return _plain(table, columns, runs["loss"], runs["num_params"], "parameters")


def vocab_scaling_law() -> Source:
    """Data are counted in characters; V is the size of the vocabulary, not its parameters.

    C = 6 N D in characters, which orders the runs and has the unit of no other table. The target
    is below 0, where laws with a floor above 0 do not reach: they suit by columns and rank last.
    """
    table = _sldbench("vocab_scaling_law")
    runs = _numbers(
        table, "non_vocab_parameters", "vocab_size", "num_characters", "unigram_normalized_loss"
    )
    size, characters = runs["non_vocab_parameters"], runs["num_characters"]
    compute = FLOP * size * characters
    columns = {**_sizes(size, characters, compute), "vocabulary": runs["vocab_size"]}
    return _plain(table, columns, runs["unigram_normalized_loss"], compute, "compute")


def sft_scaling_law() -> Source:
    """Fine-tuning samples, a group a model and data set."""
    table = _sldbench("sft_scaling_law")
    runs = _numbers(table, "sft_data_size", "sft_loss")
    samples = runs["sft_data_size"]
    return _plain(
        table, {"fine-tuning data": samples}, runs["sft_loss"], samples, "fine-tuning data"
    )


def domain_mixture_scaling_law() -> Source:
    """Proportions of five domains and the losses on them; no row is larger than another."""
    table = _sldbench("domain_mixture_scaling_law")
    shares = [f"proportion_domain_{i}" for i in range(1, 6)]
    losses = [f"loss_domain_{i}" for i in range(1, 6)]
    values = _numbers(table, *shares, *losses)
    return Source(
        _keys(table, "group"),
        {f"share of domain {i}": values[name] for i, name in enumerate(shares, 1)},
        {"loss": {name: values[name] for name in losses}},
        (np.arange(table.num_rows) % 5 == 4).astype(float),
        "none: every fifth mixture is held out",
    )


def moe_scaling_law() -> Source:
    """Models of N dense parameters with E experts, of several routers."""
    table = _sldbench("moe_scaling_law")
    runs = _numbers(table, "num_experts", "dense_parameter_count", "loss_validation")
    size = runs["dense_parameter_count"]
    columns = {"parameters": size, "experts": runs["num_experts"]}
    return _plain(table, columns, runs["loss_validation"], size, "parameters")


def data_constrained_scaling_law() -> Source:
    """Models of N parameters on D tokens, of which U are unique; C = 6 N D."""
    table = _sldbench("data_constrained_scaling_law")
    runs = _numbers(table, "unique_tokens", "params", "tokens", "loss")
    compute = FLOP * runs["params"] * runs["tokens"]
    sizes = _sizes(runs["params"], runs["tokens"], compute)
    columns = {**sizes, "unique data": runs["unique_tokens"]}
    return _plain(table, columns, runs["loss"], compute, "compute")


def lr_bsz_scaling_law() -> Source:
    """Models of N parameters on D tokens, at many learning rates and batches; C = 6 N D."""
    table = _sldbench("lr_bsz_scaling_law")
    runs = _numbers(table, "lr", "bsz", "data_size", "non_embedding_param_size", "lm_loss")
    size, tokens = runs["non_embedding_param_size"], runs["data_size"]
    compute = FLOP * size * tokens
    sizes = _sizes(size, tokens, compute)
    columns = {**sizes, "learning rate": runs["lr"], "batch": runs["bsz"]}
    return _plain(table, columns, runs["lm_loss"], compute, "compute")


def easy_question_scaling_law() -> Source:
    """Minus the Brier score is a score, the Brier score a loss; C = 1e21 FLOP 10^log_flops."""
    table = _sldbench("easy_question_scaling_law")
    runs = _numbers(table, "log_flops", "brier_score")
    score, log_flops = runs["brier_score"], runs["log_flops"]
    return Source(
        _keys(table, "group"),
        {"log10 of compute": log_flops, "compute": 1e21 * 10.0**log_flops},
        {"score": {"brier_score": score}, "loss": {"minus brier_score": -score}},
        log_flops,
        "compute",
    )


def _sldbench(task):
    return jaxfit.read(data.find(f"sldbench/{task}.csv"))


def _numbers(table, *names):
    return {name: table.numbers(name)[0] for name in names}


def _keys(table, name):
    return np.array(table.keys((name,)))


def _one_group(column):
    return np.full(len(column), "all")


def _sizes(size, tokens, compute):
    return {
        "parameters": size,
        "data": tokens,
        "compute": compute,
        "data per parameter": tokens / size,
    }


def _by_compute(group, size, tokens, compute, loss):
    columns = _sizes(size, tokens, compute)
    return Source(group, columns, {"loss": {"loss": loss}}, compute, "compute")


def _plain(table, columns, loss, scale, scale_name):
    return Source(_keys(table, "group"), columns, {"loss": {"loss": loss}}, scale, scale_name)


SOURCES = {
    each.__name__: each
    for each in (
        epoch_chinchilla,
        kyo_takano_llm,
        gadre_overtraining,
        isoflops,
        isoflops_by_budget,
        parallel_scaling_law,
        vocab_scaling_law,
        sft_scaling_law,
        domain_mixture_scaling_law,
        moe_scaling_law,
        data_constrained_scaling_law,
        lr_bsz_scaling_law,
        easy_question_scaling_law,
    )
}
