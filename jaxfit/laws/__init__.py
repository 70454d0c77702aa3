"""The zoo: one small file a family. To add a law, write one function and one row here."""

from .chinchilla import chinchilla
from .finetuning import finetuning
from .law import Law, law
from .parallel import parallel
from .power import power_law
from .u_shape import u_shape

LAWS: dict[str, Law] = {
    each.name: each for each in (power_law, chinchilla, finetuning, u_shape, parallel)
}

__all__ = ["LAWS", "Law", "chinchilla", "finetuning", "law", "parallel", "power_law", "u_shape"]
