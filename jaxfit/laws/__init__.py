"""The zoo: one small file a family. To add a law, write one function and one row here."""

from .chinchilla import (
    chinchilla,
    encoder_decoder,
    farseer,
    interaction,
    overtraining,
    rosenfeld,
)
from .data import data_constrained, mixture, mixture_power, vocabulary
from .distillation import distillation
from .downstream import accuracy_of_loss, coverage, error_of_loss, reinforcement
from .experts import expert_sparsity, experts, granular, routed, weight_sparsity
from .finetuning import finetuning, finetuning_joint, rectified, transfer
from .kaplan import (
    critical_batch,
    kaplan,
    kaplan_compute,
    kaplan_data,
    kaplan_model,
    kaplan_steps,
)
from .law import Law, law
from .parallel import parallel, parscale
from .power import (
    broken_power_1,
    broken_power_2,
    isoflop,
    offset_power,
    power_law,
    pure_power,
    shifted_power,
    sigmoid_power,
)
from .precision import precision, quantization
from .surface import log_quadratic
from .training import annealing, best_batch, best_rate, replicas
from .u_shape import u_shape

# What a law models, and the laws that do.
FAMILIES: dict[str, tuple[Law, ...]] = {
    "one input": (
        power_law,
        pure_power,
        offset_power,
        shifted_power,
        sigmoid_power,
        broken_power_1,
        broken_power_2,
        kaplan_model,
        kaplan_data,
        kaplan_compute,
        isoflop,
    ),
    "model size and data": (chinchilla, kaplan, interaction, rosenfeld, overtraining, farseer),
    "two parts of a model": (encoder_decoder,),
    "repeated data, vocabulary, mixtures": (data_constrained, vocabulary, mixture, mixture_power),
    "fine-tuning and transfer": (finetuning, rectified, finetuning_joint, transfer),
    "experts and sparsity": (routed, granular, experts, expert_sparsity, weight_sparsity),
    "parallel streams": (parallel, parscale),
    "precision": (precision, quantization),
    "distillation": (distillation,),
    "training": (kaplan_steps, critical_batch, best_rate, best_batch, annealing, replicas),
    "tasks and rewards": (u_shape, error_of_loss, accuracy_of_loss, coverage, reinforcement),
    "response surfaces": (log_quadratic,),
}
LAWS: dict[str, Law] = {each.name: each for laws in FAMILIES.values() for each in laws}

__all__ = ["FAMILIES", "LAWS", "Law", "law"]
