"""The zoo as a page of Markdown: what every law models, its formula, constants, source, picture."""

import inspect
import re

import jax

from . import FAMILIES, LAWS, curves
from .affine import linear_parameters
from .law import Law
from .typical import TYPICAL

_HEAD = """# The zoo

<!-- Made of the code by `jaxfit laws --markdown FILE`: change the laws, not this page. -->

COUNT laws, by what they model. Give one by its name, `jaxfit.fit("chinchilla", ...)` or `--law
chinchilla`, with columns for its inputs (`inputs={"N": "params"}` where they have other names).
`jaxfit laws NAME` prints what stands here; [a law of your own](own_law.md) is a line or a function.

"Starts" says where the search draws a constant from; those "by least squares" are solved for, since
the law is affine in them. A constant is searched between the ends of its support, which `bounds=`
narrows. Pictures show curves at typical constants: of the published order where their scale is
known, and no results.

```python
import jaxfit

law = jaxfit.LAWS["chinchilla"]
law.inputs, law.parameters, law.formula, law.source, law.latex()
law(1e9, 2e10, E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)  # a function of columns or numbers
```
"""


def page(folder: str) -> str:
    """The page, with pictures in `folder`, which is named as the page refers to it."""
    parts = [_HEAD.replace("COUNT", f"{len(LAWS)}")]
    for family, laws in FAMILIES.items():
        links = ", ".join(f"[{law.name}](#{law.name})" for law in laws)
        parts.append(f"- **{family}**: {links}")
    for family, laws in FAMILIES.items():
        parts.append(f"\n## {family[0].upper()}{family[1:]}")
        parts += (_entry(law, folder) for law in laws)
    return "\n".join(parts)


def pictures() -> dict[str, str]:
    """The SVG of every law, by its name."""
    with jax.enable_x64(True):
        return {name: curves.svg(law, TYPICAL[name]) for name, law in LAWS.items()}


def starts(law: Law) -> dict[str, str]:
    """Where the search begins with each parameter, in words."""
    with jax.enable_x64(True):
        linear = linear_parameters(law) if law.linear is None else law.linear
    return {
        name: "by least squares"
        if name in linear
        else ("from the data" if callable(support.start) else f"in {support.start}")
        for name, support in law.supports
    }


def _entry(law: Law, folder: str) -> str:
    about, _, symbols = inspect.cleandoc(law.func.__doc__ or "").partition("\n\n")
    typical, begins = TYPICAL[law.name], starts(law)
    rows = "\n".join(
        f"| `{name}` | {_between(support)} | {begins[name]} "
        f"| {curves.number(typical.constants[name])} |"
        for name, support in law.supports
    )
    return f"""
### {law.name}

{about}

`{law.name}({", ".join(law.inputs)})` = `{law.formula}`

```math
{law.latex()}
```

{symbols}

| constant | between | starts | in the picture |
|---|---|---|---|
{rows}

Source: {_linked(law.source)}.

![{law.name} over {typical.over[0]}]({folder}/{law.name}.svg)
"""


def _between(support) -> str:
    ends = (support.low, support.high)
    return " and ".join(curves.number(float(end)).replace("inf", "∞") for end in ends)


def _linked(source: str) -> str:
    return re.sub(r"arXiv (\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", source)
