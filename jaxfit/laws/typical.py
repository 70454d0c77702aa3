"""Typical constants of every law of the zoo, and where its inputs lie: what its picture shows.

Constants are of the published order where their scale is known; none is a result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A share that takes what the others leave of 1.
REST = "rest"


@dataclass(frozen=True)
class Typical:
    """Constants of a law, and curves to draw with them.

    over: an input, and between what it runs. by: another input or a constant, and its value on
    each curve. at: the other inputs, numbers or `REST`. target: what the law predicts. Units are
    those of the law's docstring.
    """

    constants: Mapping[str, float]
    over: tuple[str, float, float]
    by: tuple[str, tuple[float, ...]]
    at: Mapping[str, float | str]
    target: str


def _of(over, by, at: Any = None, target: Any = "loss", **constants: float) -> Typical:
    return Typical(constants, over, by, at or {}, target)


SIZE, TOKENS = ("N", 1e7, 3e10), ("D", (1e9, 1e10, 1e12))
TYPICAL: dict[str, Typical] = {
    "power_law": _of(("x", 1e6, 1e10), ("gamma", (0.2, 0.3, 0.4)), c=1.2, a=50.0, gamma=0.3),
    "pure_power": _of(("x", 1e6, 1e10), ("c", (0.25, 0.3, 0.35)), b=50.0, c=0.3),
    "offset_power": _of(
        ("x", 1e6, 1e10), ("alpha", (0.2, 0.3, 0.5)), L_inf=1.2, x_0=1e5, alpha=0.3
    ),
    "shifted_power": _of(("x", 1e3, 1e8), ("g", (1e-7, 1e-6, 1e-5)), b=20.0, g=1e-6, c=0.3),
    "sigmoid_power": _of(
        ("x", 1e2, 1e9), ("a", (0.0, 0.6, 1.5)), e_inf=0.2, rise=2.1, a=0.6, b=300.0, c=0.5
    ),
    "broken_power_1": _of(
        ("x", 1e2, 1e9), ("f1", (0.05, 0.6, 2.0)), a=0.3, b=4.0, c0=0.05, c1=0.4, d1=1e5, f1=0.3
    ),
    "broken_power_2": _of(
        ("x", 1e1, 1e10),
        ("c2", (-0.4, -0.25, 0.2)),
        a=0.3,
        b=4.0,
        c0=0.02,
        c1=0.4,
        d1=1e4,
        f1=0.3,
        c2=-0.25,
        d2=1e7,
        f2=0.3,
    ),
    "kaplan_model": _of(("N", 1e6, 1e10), ("alpha", (0.06, 0.076, 0.09)), N_c=8.8e13, alpha=0.076),
    "kaplan_data": _of(("D", 1e8, 1e11), ("alpha", (0.08, 0.095, 0.11)), D_c=5.4e13, alpha=0.095),
    "kaplan_compute": _of(("C", 1e-6, 1e2), ("alpha", (0.04, 0.05, 0.06)), C_c=3.1e8, alpha=0.05),
    "isoflop": _of(("x", 1e8, 1e10), ("x_0", (4e8, 8e8, 2e9)), L_0=2.4, k=0.05, x_0=8e8),
    "chinchilla": _of(SIZE, TOKENS, E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28),
    "kaplan": _of(
        ("N", 1e6, 1e10),
        ("D", (1e8, 1e9, 1e11)),
        N_c=6.4e13,
        D_c=1.8e13,
        alpha_N=0.076,
        alpha_D=0.103,
    ),
    "interaction": _of(
        SIZE, TOKENS, E=1.7, A=400.0, B=410.0, C=900.0, alpha=0.34, beta=0.28, gamma=0.15, delta=0.2
    ),
    "rosenfeld": _of(
        ("D", 1e3, 1e8), ("N", (1e3, 1e4, 1e6)), e_0=2.0, a=60.0, b=40.0, c=0.2, alpha=0.4, beta=0.5
    ),
    "overtraining": _of(
        ("C", 1e17, 1e22), ("M", (10, 100, 1000)), E=1.5, a=100.0, b=150.0, eta=0.12
    ),
    "farseer": _of(
        ("D", 1.0, 1e3),
        ("N", (0.01, 0.3, 10)),
        a1=-0.12,
        b1=-0.8,
        alpha=0.3,
        a2=-0.4,
        b2=0.6,
        beta=0.25,
        a3=-0.3,
        b3=0.9,
        gamma=0.2,
    ),
    "encoder_decoder": _of(
        ("N_e", 1e7, 1e9), ("N_d", (1e7, 1e8, 1e9)), L_inf=1.4, b=30.0, p_e=0.13, p_d=0.2
    ),
    "data_constrained": _of(
        ("D", 1e9, 1e12),
        ("U", (1e9, 1e10, 1e12)),
        {"N": 1e9},
        E=1.87,
        A=521.0,
        B=1488.0,
        alpha=0.353,
        beta=0.36,
        R_D=15.4,
        R_N=5.3,
    ),
    "vocabulary": _of(
        ("V", 1e6, 1e9),
        ("N", (1e7, 1e8, 1e9)),
        {"D": 1e10},
        E=-5.5,
        A_1=20.0,
        A_2=10.0,
        B=400.0,
        alpha_1=0.2,
        alpha_2=0.3,
        beta=0.3,
    ),
    "mixture": _of(
        ("r1", 0.0, 0.5),
        ("r3", (0.0, 0.25, 0.5)),
        {"r2": 0.0, "r4": 0.0, "r5": REST},
        c=1.5,
        t1=-1.2,
        t2=0.1,
        t3=0.4,
        t4=-0.3,
        t5=0.2,
    ),
    "mixture_power": _of(
        ("r", 1e-2, 1.0), ("s", (1e2, 1e3, 1e5)), A=2.0, B=9.0, alpha=0.08, beta=0.4
    ),
    "finetuning": _of(
        ("N", 2e2, 5e5), ("alpha", (0.3, 0.5, 0.8)), a=2.5, b=12.0, alpha=0.5, c=-0.05
    ),
    "rectified": _of(("D", 1e2, 1e7), ("D_l", (20, 80, 320)), E=0.8, B=300.0, D_l=80.0, beta=0.55),
    "finetuning_joint": _of(
        ("D", 1e5, 1e8), ("X", (1e8, 1e9, 3e10)), E=0.9, A=300.0, alpha=0.15, beta=0.12
    ),
    "transfer": _of(
        ("D", 1e5, 1e9),
        ("N", (1e6, 1e7, 1e9)),
        target="data transferred",
        k=1.9e4,
        alpha=0.18,
        beta=0.38,
    ),
    "routed": _of(
        ("N", 1e7, 3e9),
        ("E", (1, 16, 256)),
        a=-0.082,
        b=-0.108,
        c=0.004,
        d=2.5,
        E_start=1.85,
        E_max=314.0,
    ),
    "granular": _of(
        ("N", 1e7, 1e10),
        ("G", (1, 4, 32)),
        {"D": 3e10},
        c=0.47,
        g=20.0,
        a=18.1,
        b=30.8,
        gamma=0.58,
        alpha=0.115,
        beta=0.147,
    ),
    "experts": _of(
        ("N", 1e7, 3e9),
        ("E", (1, 16, 256)),
        {"D": 3e10},
        a=40.0,
        b=30.0,
        c=1.1,
        alpha=-0.2,
        beta=-0.2,
        gamma=0.01,
        delta=-0.3,
        omega=0.1,
        zeta=-0.01,
        E_start=1.9,
        E_max=300.0,
    ),
    "expert_sparsity": _of(
        ("N", 1e7, 1e10),
        ("S", (0.0, 0.8, 0.95)),
        {"D": 3e10},
        a=1000.0,
        b=800.0,
        c=0.3,
        d=100.0,
        e=0.9,
        alpha=0.5,
        beta=0.3,
        lam=-0.17,
        delta=0.4,
        gamma=0.2,
    ),
    "weight_sparsity": _of(
        ("S", 0.0, 0.95),
        ("N", (1e6, 1e7, 1e9)),
        {"D": 1e10},
        a_S=16.0,
        b_S=0.72,
        c_S=45.0,
        b_N=0.245,
        a_D=6.9e7,
        b_D=0.2,
        c=0.65,
    ),
    "parallel": _of(("N", 1e8, 1e10), ("P", (1, 4, 16)), C=40.0, alpha=0.22, beta=0.07, gamma=0.9),
    "parscale": _of(("N", 1e8, 1e10), ("P", (1, 4, 16)), E=1.3, A=2e8, k=0.33, alpha=0.19),
    "precision": _of(
        ("P_w", 2, 16),
        ("N", (3e7, 1e8, 1e9)),
        {"D": 1e11, "P_a": 16, "P_kv": 16},
        E=2.7,
        A=4.3e3,
        B=1.8e4,
        alpha=0.5,
        beta=0.5,
        g_w=2.7,
        g_a=2.2,
        g_kv=1.0,
    ),
    "quantization": _of(
        ("P", 2, 8),
        ("D", (1e9, 1e10, 1e11)),
        {"N": 1e8},
        target="loss added",
        C=0.06,
        gamma_D=0.53,
        gamma_N=0.54,
        g=0.6,
    ),
    "distillation": _of(
        ("L_T", 2.0, 3.2),
        ("N", (1e8, 1e9, 1e10)),
        {"D": 1e11, "L_S": 2.5},
        A=2000.0,
        B=3000.0,
        alpha=0.4,
        beta=0.4,
        gamma=0.8,
        c0=0.5,
        c1=2.0,
        d1=1.1,
        f1=0.1,
    ),
    "kaplan_steps": _of(
        ("S", 1e3, 1e6), ("N", (1e6, 1e8, 1e10)), N_c=6.5e13, S_c=2.1e3, alpha_N=0.077, alpha_S=0.76
    ),
    "critical_batch": _of(
        ("L", 1.8, 6.3), ("alpha", (0.18, 0.21, 0.25)), target="critical batch", B_c=2e8, alpha=0.21
    ),
    "best_rate": _of(
        ("N", 1e8, 1e10),
        ("D", (1e9, 1e10, 1e11)),
        target="best learning rate",
        c=1.79,
        alpha=-0.713,
        beta=0.307,
    ),
    "best_batch": _of(
        ("D", 1e9, 1e11), ("beta", (0.55, 0.571, 0.6)), target="best batch", c=0.58, beta=0.571
    ),
    "annealing": _of(
        ("S_1", 1.0, 100.0), ("S_2", (0.0, 0.5, 1.0)), L_0=2.6, A=0.6, C=0.3, alpha=0.5
    ),
    "replicas": _of(("N", 1e7, 1e10), ("M", (1, 4, 16)), A=19.2, alpha=-0.0985, beta=0.0116),
    "u_shape": _of(
        ("x", -2.5, 3.0),
        ("A_dn", (0.1, 0.3, 0.5)),
        target="score",
        b0=0.7,
        A_up=0.45,
        A_dn=0.3,
        c0=0.3,
        s_raw=-1.2,
        k_raw=1.0,
    ),
    "error_of_loss": _of(
        ("L", 2.0, 5.0), ("gamma", (0.5, 0.75, 1.0)), target="error", e=0.85, k=2.1, gamma=0.75
    ),
    "accuracy_of_loss": _of(
        ("L", 0.2, 2.0), ("k", (2, 5, 20)), target="accuracy", b=0.95, a=-0.7, k=5.0, L_0=0.9
    ),
    "coverage": _of(("k", 1.0, 1e4), ("b", (0.3, 0.4, 0.6)), target="share solved", a=-1.6, b=0.4),
    "reinforcement": _of(
        ("C", 1e1, 1e5), ("B", (0.6, 0.9, 2.0)), target="score", R_0=0.2, A=0.65, B=0.9, C_mid=2e3
    ),
    "log_quadratic": _of(
        ("x1", 1e-4, 1e-2),
        ("x2", (10, 100, 1000)),
        b0=5.0,
        b1=0.6,
        b2=-0.4,
        b11=0.05,
        b22=0.04,
        b12=-0.02,
    ),
}
