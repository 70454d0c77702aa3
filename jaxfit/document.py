"""Documents: sections of paragraphs and tables, written as Markdown or as one HTML file.

Whatever text they hold is untrusted, names of columns and groups above all: it is shown, and never
read as markup.
"""

import base64
import hashlib
import html as escaping
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import path_of, write_whole
from .keywords import checked_keywords

if TYPE_CHECKING:
    from .plots.drawn import Drawn

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --rule: #e4e4e4; --code: #f4f4f4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e2e5e9; --paper: #15181c; --rule: #343b43; --code: #20252b; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid #999; break-after: avoid; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; font-size: .875rem; }
th, td { padding: .2rem .75rem .2rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); overflow-wrap: break-word; }
th { border-bottom-color: #888; }
img { max-width: 100%; height: auto; background: #fff; }
@media screen and (max-width: 40rem) { img { max-width: none; width: 46rem; } }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: var(--code); padding: .6rem .8rem; overflow-x: auto; white-space: pre-wrap; }
@media print {
  :root { --ink: #000; --paper: #fff; --rule: #ddd; --code: #f4f4f4; }
  body { max-width: none; margin: 0; font-size: 10pt; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  tr { break-inside: avoid; }
}
"""
# Dots of a picture an inch; 1.5 of them are one pixel of CSS.
DPI = 150
# What an HTML file may load: nothing but the pictures that it holds; and run: scripts of ours, each
# named by its hash.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_SPECIAL = re.compile(r"[\\`*\[\]|~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_NUMBER = re.compile(r"-|[-+]?(?:nan|inf|[\d,]+\.?\d*(?:e[-+]?\d+)?)")


@dataclass(frozen=True)
class Verbatim:
    """Text whose lines stay as they are; `language` is what Markdown is told that it is in."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Grid:
    """A table: a header, and rows of as many cells."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def numeric(self) -> list[bool]:
        """Whether the cells of each column are numbers, or "-" for want of one."""
        columns = zip(*self.rows, strict=True) if self.rows else [[""] for _ in self.header]
        return [all(_NUMBER.fullmatch(cell) for cell in column) for column in columns]


@dataclass(frozen=True)
class Picture:
    """A picture that HTML holds; Markdown says what is to be seen in it."""

    png: bytes
    about: str
    width: int  # in CSS pixels


@dataclass(frozen=True)
class Panel:
    """A part of an HTML file that a script of ours fills, from data; elsewhere stands `about`."""

    about: str
    data: Mapping[str, Any]  # as JSON holds it, without NaN
    script: str  # run once for all panels of a file; finds each by its class
    style: str


Block = str | Verbatim | Grid | Picture | Panel


@dataclass(frozen=True)
class Section:
    """A title and what stands below it; a block of plain text is a paragraph."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A document of sections; `markdown` and `html` are its two forms."""

    title: str
    sections: Sequence[Section]

    @property
    def markdown(self) -> str:
        """The document in Markdown with tables, as GitHub and pandoc read it."""
        parts = [f"# {_plain(self.title)}"]
        for section in self.sections:
            parts.append(f"## {_plain(section.title)}")
            parts += [_markdown(block) for block in section.blocks]
        return "\n\n".join(parts) + "\n"

    @property
    def html(self) -> str:
        """The document as one HTML file that loads nothing, and runs nothing but its panels."""
        panels = [b for part in self.sections for b in part.blocks if isinstance(b, Panel)]
        scripts = dict.fromkeys(panel.script for panel in panels)
        style = "".join([STYLE, *dict.fromkeys(panel.style for panel in panels)])
        run = "".join(f"<script>{script}</script>\n" for script in scripts)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escaping.escape(self.title)}</title>\n<style>{style}</style>\n</head>\n"
            f"<body>\n{self._body(_live)}\n{run}</body>\n</html>\n"
        )

    @checked_keywords
    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the document to a file, as its name ends: .md for Markdown, .html for HTML.

        Raises TypeError for what is no path, ValueError for another ending, FileExistsError when
        the file exists and `overwrite` is False, and OSError naming path and bytes when it cannot
        be written.
        """
        path = checked_name(path)
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"{path} exists already; choose another name, or pass overwrite=True (--overwrite)."
            )
        text = self.markdown if path.suffix.lower() == ".md" else self.html
        write_whole(path, text.encode())
        return path

    def __str__(self) -> str:
        return self.markdown

    def _repr_markdown_(self) -> str:
        return self.markdown

    def _repr_html_(self) -> str:
        return self._body(_html)

    def _body(self, written: Callable[[Block], str]) -> str:
        parts = [f"<h1>{escaping.escape(self.title)}</h1>"]
        for section in self.sections:
            blocks = [written(block) for block in section.blocks]
            heading = f"<h2>{escaping.escape(section.title)}</h2>"
            parts.append("\n".join(["<section>", heading, *blocks, "</section>"]))
        return "\n".join(parts)


def checked_name(path: str | os.PathLike) -> Path:
    """The path of a document; raises ValueError unless its name ends in .md or .html.

    Raises TypeError for what is no path.
    """
    path = path_of(path)
    if path.suffix.lower() not in (".md", ".html"):
        raise ValueError(f"{path} ends in neither .md nor .html; one of them is what to write.")
    return path


def pictured(draw: Callable[[], "Drawn"], about: str) -> Picture | str:
    """What `draw` draws, as a picture; without matplotlib, what is missing.

    about: what is to be seen in it.
    """
    try:
        found = draw()
    except ImportError as error:
        return f"{about} It is not drawn: {error}"
    return Picture(found.png(DPI), about, int(DPI / 1.5 * found.figure.get_figwidth()))


def _policy(scripts: Sequence[str] | Mapping[str, Any]) -> str:
    """The policy of a file that may run these scripts, and no other."""
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"{POLICY}; script-src {allowed}" if hashes else POLICY


def _plain(text: str) -> str:
    """Text as Markdown that shows it as it is, on one line."""
    line = escaping.escape(" ".join(text.split()), quote=False)
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", line)


def _markdown(block: Block) -> str:
    if isinstance(block, Picture | Panel):
        block = f"{block.about} The HTML form of this report shows it."
    if isinstance(block, str):
        # A mark at the beginning of a paragraph would make a list of it, or a heading.
        return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", _plain(block))
    if isinstance(block, Verbatim):
        longest = max((len(run) for run in re.findall("`+", block.text)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"{fence}{block.language}\n{block.text}\n{fence}"
    rules = ["---:" if numeric else "---" for numeric in block.numeric]
    rows = [[_plain(cell) for cell in row] for row in (block.header, *block.rows)]
    lines = [" | ".join(row) for row in (rows[0], rules, *rows[1:])]
    return "\n".join(f"| {line} |" for line in lines)


def _live(block: Block) -> str:
    """A block in a file of its own, where scripts run."""
    if not isinstance(block, Panel):
        return _html(block)
    text = json.dumps(block.data, allow_nan=False, separators=(",", ":"))
    # Nothing in it may end the element that holds it.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    held = f'<script type="application/json">{text}</script>'
    return f'<div class="panel">{_html(block)}{held}</div>'


def _html(block: Block) -> str:
    if isinstance(block, Panel):
        return f"<p>{escaping.escape(block.about)}</p>"
    if isinstance(block, Picture):
        held = base64.b64encode(block.png).decode()
        about = escaping.escape(block.about)
        source = f"data:image/png;base64,{held}"
        return f'<p class="wide"><img src="{source}" width="{block.width}" alt="{about}"></p>'
    if isinstance(block, str):
        return f"<p>{escaping.escape(block)}</p>"
    if isinstance(block, Verbatim):
        return f"<pre>{escaping.escape(block.text)}</pre>"
    kinds = [' class="number"' if numeric else "" for numeric in block.numeric]

    def row(cells, tag):
        filled = zip(cells, kinds, strict=True)
        return "".join(f"<{tag}{kind}>{escaping.escape(cell)}</{tag}>" for cell, kind in filled)

    body = "\n".join(f"<tr>{row(cells, 'td')}</tr>" for cells in block.rows)
    return (
        f'<div class="wide"><table>\n<thead><tr>{row(block.header, "th")}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
