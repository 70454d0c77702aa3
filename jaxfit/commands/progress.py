"""Progress of a command, for whoever waits for it."""

import sys
import time


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


def _clock(seconds: float) -> str:
    """A time that is left: "12 s", "4:07", "3:05:00"."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
