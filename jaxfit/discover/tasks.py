"""Tasks: the eight of SLDBench, which columns are known and which are to be predicted.

Inputs, targets and limits on constants are those of Lin et al., "Can Language Models Discover
Scaling Laws?", ICLR 2026 (arXiv 2507.21184), and of the data set pkuHaowei/sldbench.
"""

from dataclasses import dataclass

from ..tables import nearest


@dataclass(frozen=True)
class Task:
    """One law to be found: the same form in every group, with constants of its own in each.

    Its rows are training runs, in the units of the source (SLDBench, Lin et al. 2025).
    """

    name: str
    file: str  # of the rows, in a folder of training rows and in one of held-out rows
    inputs: tuple[str, ...]  # columns, in the order in which a program is given them
    targets: tuple[str, ...]  # columns, in the order in which a program returns them
    constants: int | None  # most that a group may have, of all targets; None without a limit
    group: str = "group"  # column of the groups


def _task(name: str, stem: str, inputs: str, targets: str, constants: int | None) -> Task:
    return Task(
        name, f"{stem}_scaling_law.csv", tuple(inputs.split()), tuple(targets.split()), constants
    )


_DOMAINS = range(1, 6)
TASKS = {
    each.name: each
    for each in (
        _task("parallel", "parallel", "num_params parallel_size", "loss", 4),
        _task(
            "vocab",
            "vocab",
            "non_vocab_parameters vocab_size num_characters",
            "unigram_normalized_loss",
            7,
        ),
        _task("sft", "sft", "sft_data_size", "sft_loss", 4),
        _task(
            "domain_mixture",
            "domain_mixture",
            " ".join(f"proportion_domain_{i}" for i in _DOMAINS),
            " ".join(f"loss_domain_{i}" for i in _DOMAINS),
            35,
        ),
        _task("moe", "moe", "num_experts dense_parameter_count", "loss_validation", 6),
        _task("data_constrained", "data_constrained", "unique_tokens params tokens", "loss", 7),
        _task("lr_bsz", "lr_bsz", "lr bsz data_size non_embedding_param_size", "lm_loss", None),
        _task("easy_question", "easy_question", "log_flops", "brier_score", 6),
    )
}


def task(name: str | Task) -> Task:
    """The task of that name, which may be followed by `_scaling_law`; a task is itself.

    Raises ValueError with the nearest name for one that there is not.
    """
    if isinstance(name, Task):
        return name
    short = str(name).removesuffix("_scaling_law")
    if short in TASKS:
        return TASKS[short]
    raise ValueError(
        f"No task is called `{name}`{nearest(short, TASKS)} The tasks are: {', '.join(TASKS)}."
    )
