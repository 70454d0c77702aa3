"""Glyphs: texts of a plot whose font lacks a character are drawn with one that has it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

# Every font that matplotlib takes first has the characters below.
_USUAL = 0x250
# It has a box for every character.
_NO_FONT = "Last Resort"


def complete(figure: Any) -> None:
    """Add to texts of a figure the installed fonts that have what their own lack.

    One UserWarning names the characters that none has.
    """
    from matplotlib.font_manager import findfont
    from matplotlib.text import Text

    nowhere: dict[str, None] = {}
    for text in figure.findobj(Text):
        unusual = [c for c in dict.fromkeys(text.get_text()) if ord(c) >= _USUAL]
        path = findfont(text.get_fontproperties()) if unusual else ""
        found = {c: _family(c) for c in unusual if not _draws(path, c)}
        nowhere |= dict.fromkeys(c for c, family in found.items() if family is None)
        own = text.get_fontfamily()
        more = dict.fromkeys(each for each in found.values() if each and each not in own)
        if more:
            text.set_fontfamily([*own, *more])
    if nowhere:
        told = " ".join(nowhere)
        text = f"No font that is installed has {told}: boxes are drawn. Install one that does, "
        warnings.warn(
            f"{text}such as Noto Sans CJK, or write names in other letters.", stacklevel=2
        )


@contextmanager
def told_already() -> Iterator[None]:
    """Without the warnings of matplotlib, one a glyph, of what `complete` has said."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        yield


@lru_cache(maxsize=1 << 10)
def _family(character: str) -> str | None:
    """The first installed font that has a character; None if none has."""
    from matplotlib.font_manager import fontManager

    fonts = [each for each in fontManager.ttflist if not each.name.startswith(_NO_FONT)]
    return next((each.name for each in fonts if _draws(each.fname, character)), None)


def _draws(path: str, character: str) -> bool:
    from matplotlib.font_manager import get_font

    try:
        font = get_font(path)
        font.set_size(12, 72)  # which fonts of coloured pictures have not
        return font.get_char_index(ord(character)) != 0
    except (OSError, RuntimeError):
        return False
