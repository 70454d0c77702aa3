"""What this installation can do, and what is wrong with it."""

import importlib.metadata
import platform
from pathlib import Path

PACKAGES = ("jaxfit-laws", "jax", "jaxlib", "optax", "numpy", "scipy")
EXTRAS = ("matplotlib", "pandas", "polars", "pyarrow")


def examine(cache: Path | None) -> tuple[list[tuple[str, str]], list[str]]:
    """Facts as (name, value) pairs, and problems as sentences, of this installation.

    cache: folder of the compilation cache, or None when it is off.
    """
    problems = []
    facts = [("python", f"{platform.python_version()} on {platform.machine()}")]
    facts += [(name, _version(name) or "not installed") for name in PACKAGES]
    facts += [(name, _version(name) or "not installed (optional)") for name in EXTRAS]
    facts.append(("package", str(Path(__file__).parent)))
    if _version("jaxfit"):
        problems.append(
            "The distribution `jaxfit` is installed too. It is another project, and installs a "
            "package of the same name over this one: pip uninstall -y jaxfit jaxfit-laws, then "
            "install this one again as its README says."
        )
    try:
        import jax
        import jax.numpy as jnp

        devices = ", ".join(str(device) for device in jax.devices())
        facts.append(("devices", f"{devices} (default backend {jax.default_backend()})"))
        with jax.enable_x64(True):
            wide = (jnp.asarray(2.0**60) + 1.0).dtype == jnp.float64
        flag = "on" if jax.config.read("jax_enable_x64") else "off, as jaxfit leaves it"
        facts.append(("float64", f"{'works' if wide else 'missing'}; global x64 flag {flag}"))
        if not wide:
            problems.append("JAX gives no float64 here; answers would lack digits.")
    except (ImportError, RuntimeError, AttributeError) as error:
        facts.append(("devices", "none"))
        problems.append(f"JAX does not start: {error}.")
    if cache is None:
        facts.append(("compilation cache", "off"))
    else:
        files = [f for f in cache.rglob("*") if f.is_file()] if cache.is_dir() else []
        size = sum(f.stat().st_size for f in files) / 2**20
        facts.append(("compilation cache", f"{cache} ({len(files)} files, {size:.1f} MiB)"))
    return facts, problems


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
