"""What the inputs and outputs of the zoo's laws mean, as their docstrings say."""

from collections.abc import Iterable, Mapping
from itertools import product

from jaxfit import Law
from jaxfit.laws.typical import TYPICAL

SIZES = ("parameters", "data", "fine-tuning data", "compute")
# Compute is not among them: its logarithm is a sum of two others, so it adds no surface.
VARIED = (
    "parameters",
    "data",
    "unique data",
    "vocabulary",
    "experts",
    "streams",
    "learning rate",
    "batch",
)
# What an input of this name means in most laws: any of these.
COMMON: dict[str, tuple[str, ...]] = {
    "x": SIZES,
    "x1": VARIED,
    "x2": VARIED,
    "N": ("parameters",),
    "N_e": ("parameters of the encoder",),
    "N_d": ("parameters of the decoder",),
    "X": ("parameters", "pretraining data", "tuned parameters"),
    "D": ("data",),
    "U": ("unique data",),
    "C": ("compute",),
    "M": ("data per parameter",),
    "V": ("vocabulary",),
    "E": ("experts",),
    "G": ("granularity",),
    "S": ("idle share",),
    "P": ("streams",),
    "P_w": ("bits of weights",),
    "P_a": ("bits of activations",),
    "P_kv": ("bits of the cache",),
    "L": ("loss of the model",),
    "L_T": ("loss of the teacher",),
    "L_S": ("loss without a teacher",),
    "S_1": ("forward area",),
    "S_2": ("annealing area",),
    "k": ("samples a problem",),
    "r": ("share of the domain",),
    "s": ("steps",),
    **{f"r{i}": (f"share of domain {i}",) for i in range(1, 6)},
}
# Where a law means something else by the same name.
ELSEWHERE: dict[tuple[str, str], tuple[str, ...]] = {
    ("finetuning", "N"): ("fine-tuning data",),
    ("finetuning_joint", "D"): ("fine-tuning data",),
    ("rectified", "D"): ("fine-tuning data",),
    ("transfer", "D"): ("fine-tuning data",),
    ("isoflop", "x"): ("parameters at one compute", "data at one compute"),
    ("kaplan_steps", "S"): ("least steps",),
    ("quantization", "P"): ("bits after training",),
    ("replicas", "M"): ("replicas",),
    ("u_shape", "x"): ("log10 of compute",),
}
PETAFLOP_DAY = 8.64e19
# Units in which a law's start ranges are meant, where those of the columns are others.
UNITS = {
    ("farseer", "N"): 1e9,
    ("farseer", "D"): 1e9,
    ("kaplan_compute", "C"): PETAFLOP_DAY,
}


def accepted(law: Law) -> dict[str, tuple[str, ...]]:
    """{input: the meanings that a column for it may have}."""
    return {name: ELSEWHERE.get((law.name, name), COMMON[name]) for name in law.inputs}


def predicted(law: Law) -> str:
    """The meaning of what the law predicts."""
    return TYPICAL[law.name].target


def unit(law: Law, name: str) -> float:
    """What to divide a column by for it to be the input `name` of the law."""
    return UNITS.get((law.name, name), 1.0)


def uses(law: Law, columns: Iterable[str], targets: Iterable[str]) -> list[dict[str, str]]:
    """Every way to take the law's inputs from a table: {input: meaning of the column}.

    columns: meanings of the columns of the table. targets: meanings of its targets. No way
    where one is missing. Inputs that may be swapped (`log_quadratic`) are taken in one order.
    """
    if predicted(law) not in targets:
        return []
    known, wanted = tuple(columns), accepted(law)
    choices = [[each for each in meanings if each in known] for meanings in wanted.values()]
    orders = [[known.index(each) for each in chosen] for chosen in product(*choices)]
    alike = len(set(wanted.values())) < len(wanted)
    return [
        dict(zip(wanted, (known[i] for i in order), strict=True))
        for order in orders
        if len(set(order)) == len(order) and (not alike or order == sorted(order))
    ]


def choices(law: Law, use: Mapping[str, str]) -> dict[str, str]:
    """The part of a use that could have been another: inputs with more than one meaning."""
    wanted = accepted(law)
    return {name: key for name, key in use.items() if len(wanted[name]) > 1}


def suited_by(law: Law) -> str:
    """What a table must have for the law, in words."""
    inputs = (" or ".join(meanings) for meanings in accepted(law).values())
    return f"{', '.join(inputs)} -> {predicted(law)}"
