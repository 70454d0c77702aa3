"""Progress of a command, for whoever waits for it."""

import sys
import time


class Progress:
    """Groups or laws done, on one line of a terminal, or one at start and end elsewhere."""

    def __init__(self, what: str = "groups"):
        self._what, self._began = what, time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        text = f"{done} of {total} {self._what} fitted"
        if done == 0:
            text += " (compiling the law; later runs skip this)"
        elif done == total:
            text += f" in {time.perf_counter() - self._began:.1f} s"
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done in (0, total):
            print(text, file=sys.stderr, flush=True)
