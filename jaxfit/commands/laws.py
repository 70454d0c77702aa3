"""`jaxfit laws`: the zoo as a list, one law of it or of the user's, or all of it as a page."""

import inspect
import sys
from pathlib import Path

from .options import named_law, refuse_existing


def add(commands) -> None:
    """Add the command to the parser's."""
    add = commands.add_parser("laws", help="list the laws, show one, or write a page of them all")
    add.add_argument("name", nargs="?", metavar="NAME", help="of a law, or FILE.py:NAME")
    text = "write all laws to a page of Markdown, with pictures in a folder of its name beside it"
    add.add_argument("--markdown", type=Path, metavar="FILE", help=text)
    add.add_argument("--overwrite", action="store_true", help="replace files that exist")
    add.set_defaults(run=_run)


def _run(options) -> int:
    if options.markdown is not None:
        _write(options)
    elif options.name is None:
        _list()
    else:
        _show(options.name)
    return 0


def _list() -> None:
    from ..laws import FAMILIES

    for family, laws in FAMILIES.items():
        print(f"{family}\n")
        for law in laws:
            print(f"  {law.name}({', '.join(law.inputs)})")
            print(f"    {law.formula}\n    {law.source}")
        print()


def _show(name: str) -> None:
    import jax

    from ..laws import LAWS
    from ..laws.check import check
    from ..laws.outputs import columns_of, picked
    from ..laws.page import starts
    from ..tables import nearest

    law = named_law(name)
    if isinstance(law, str):
        raise ValueError(f"No law is called `{law}`{nearest(law, LAWS)} `jaxfit laws` lists them.")
    with jax.enable_x64(True):
        count = columns_of(law)
        check(picked(law, count) if count else law, 2)
    formula = f" = {law.formula}" if law.formula else ""
    heading = f"{law.name}({', '.join(law.inputs)}){formula}\n{law.source}".strip()
    about = inspect.cleandoc(law.func.__doc__ or "")
    print("\n\n".join(filter(None, (heading, about, "Parameters"))))
    begins = starts(law)
    for name, support in law.supports:
        print(f"  {name}: in [{support.low:g}, {support.high:g}], starts {begins[name]}")


def _write(options) -> None:
    from ..files import write_whole
    from ..laws.page import page, pictures

    if options.name is not None:
        raise ValueError("--markdown writes all laws to a page; leave NAME out.")
    path = options.markdown
    if path.suffix.lower() != ".md":
        raise ValueError(f"--markdown {path}: give a name that ends in .md.")
    folder = path.with_suffix("")
    for each in (path, folder):
        refuse_existing(each, options.overwrite)
    for each, wrong in ((path, path.is_dir()), (folder, folder.exists() and not folder.is_dir())):
        if wrong:
            kind = "no folder, where pictures are to be" if each == folder else "a folder"
            raise ValueError(f"{each} is {kind}; choose another name.")
    text, drawn = page(path.stem), pictures()
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        write_whole(folder / f"{name}.svg", svg.encode())
    write_whole(path, text.encode())
    print(f"{len(drawn)} laws written to {path}, pictures to {folder}/", file=sys.stderr)
