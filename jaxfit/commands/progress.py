"""Progress of a command, for whoever waits for it."""

import shutil
import sys
import time
from typing import Any

# Seconds between lines where nothing can be redrawn.
_NOW_AND_THEN = 15.0


class Progress:
    """Groups or laws done, on one line of a terminal, or one at start and end elsewhere."""

    def __init__(self, what: str = "groups"):
        self._what, self._began = what, time.perf_counter()
        self._first: tuple[float, int] | None = None  # when it was first called, and with how many

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        self._first = self._first or (now, done)
        text = f"{done} of {total} {self._what} done"
        if done == total:
            text += f" in {now - self._began:.1f} s"
        elif done == self._first[1]:
            text += " (compiling the law; later runs skip this)"
        else:
            rate = (done - self._first[1]) / (now - self._first[0])
            text += f", {rate:.3g} a second, {_clock((total - done) / rate)} left"
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done in (0, total):
            print(text, file=sys.stderr, flush=True)


class Front:
    """The best laws of a search so far: redrawn on a terminal, a line now and then elsewhere."""

    def __init__(self, minutes: float, turns: int | None):
        self._seconds, self._turns = 60 * minutes, turns
        self._lines, self._told = 0, -_NOW_AND_THEN

    def __call__(self, now: Any) -> None:
        if sys.stderr.isatty():
            self._redraw(self._table(now))
        elif now.seconds - self._told >= _NOW_AND_THEN or self._done(now):
            self._told = now.seconds
            best = f"; best {now.front[-1].error:.4g}: {now.front[-1].form}" if now.front else ""
            print(f"{self._said(now)}{best}", file=sys.stderr, flush=True)

    def _said(self, now: Any) -> str:
        end = f"{_clock(self._seconds)}" if self._turns is None else f"turn {self._turns}"
        return (
            f"turn {now.turn}, {_clock(now.seconds)}, to {end}: {now.proposed} laws proposed, "
            f"{now.judged} judged"
        )

    def _done(self, now: Any) -> bool:
        if self._turns is not None:
            return now.turn >= self._turns
        return now.seconds >= self._seconds

    def _table(self, now: Any) -> list[str]:
        rows = [
            f"{each.form.num_constants:>9}  {each.error:>9.4g}  {each.proposer:<8}  {each.form}"
            for each in now.front
        ]
        what = "choosing one of the best ..." if self._done(now) else "Ctrl-C ends it and chooses."
        return [self._said(now), "constants      error  by        law", *rows, what]

    def _redraw(self, lines: list[str]) -> None:
        """Print lines over those printed before; none is to be broken by the terminal."""
        width, height = shutil.get_terminal_size()
        back = f"\033[{self._lines}F\033[J" if self._lines else ""
        lines = lines[:2] + lines[2:][-(height - 4) :]
        print(back + "\n".join(_plain(line)[: width - 1] for line in lines), file=sys.stderr)
        sys.stderr.flush()
        self._lines = len(lines)


def _plain(line: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _clock(seconds: float) -> str:
    """A time that is left: "12 s", "4:07", "3:05:00"."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
