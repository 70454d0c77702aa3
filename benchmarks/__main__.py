"""`python -m benchmarks`: every benchmark, each in a process of its own."""

import subprocess
import sys

NAMES = (
    "chinchilla",
    "bootstrap",
    "peers",
    "sft",
    "u_shape",
    "parallel",
    "sweep",
    "many_groups",
    "cold",
    "forms",
    "roofline",
    "zoo",
    "pooling",
    "choosing",
    "coverage",
    "allocation",
    "next_run",
    "select_model",
    "programs",
    "discovery",
    "blind",
)


def main() -> int:
    """Run all with the options given; the worst of their exit codes."""
    # A second benchmark in the same process would find JAX started, and be less than cold.
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]]).returncode
        for name in NAMES
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
