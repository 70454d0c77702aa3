"""Executing: jobs done here, or by the workers of an executor, until they are done or stopped."""

import logging
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import NamedTuple

from .asked import Asked
from .work import Job, work, work_away

LOG = logging.getLogger("jaxfit")
# Jobs at an executor for each of its workers that was heard of, so that none waits for the next
# one; how many workers it has, it does not tell. And partitions of rows that may be on their way.
AHEAD, FIRST_AHEAD, PARTITIONS = 2, 8, 8
PATIENCE = 60  # seconds until it is said that nothing comes back


class _Sent(NamedTuple):
    """What is remembered of a job at an executor."""

    path: Path
    title: str
    law: object
    asked: Asked
    groups: int
    rows: int


def results(
    executor: Executor | None,
    jobs: Iterator[tuple[Path, Job]],
    stop: Callable[[], bool],
    rows: int,
) -> Generator[tuple[Path, int, bytes]]:
    """Files, numbers of groups and records, in any order, until all is done or `stop` says so.

    rows: of a partition. A job that fails stops it too, and its error is raised once those at
    work are done.
    """
    if executor is not None:
        yield from _away(executor, jobs, stop, PARTITIONS * rows)
        return
    for path, job in jobs:
        if stop():
            return
        try:
            content = work(job)
        except Exception as error:
            error.add_note(_advice(f"{job}"))
            raise
        yield path, len(job.keys), content


def _away(executor, jobs, stop, most_rows) -> Generator[tuple[Path, int, bytes]]:
    waiting: dict[Future, _Sent] = {}
    workers, failure = set(), None
    try:
        while True:
            halted = stop() or failure is not None
            found = None
            if halted:
                _withdraw(waiting)
            elif _room(waiting, len(workers), most_rows):
                try:
                    found = next(jobs, None)
                except Exception as error:
                    failure = error
            if found is not None:
                path, job = found
                sent = _Sent(path, f"{job}", job.law, job.asked, len(job.keys), len(job.rows))
                try:
                    waiting[executor.submit(work_away, job)] = sent
                except Exception as error:
                    failure = _explained(error, sent)
                continue
            if not waiting:
                break
            for each in _back(waiting):
                sent = waiting.pop(each)
                try:
                    content, worker = each.result()
                except Exception as error:
                    failure = failure or _explained(error, sent)
                else:
                    workers.add(worker)
                    yield sent.path, sent.groups, content
    finally:
        for each in waiting:
            each.cancel()
    if failure is not None:
        raise failure


def _back(waiting: dict[Future, _Sent]) -> list[Future]:
    """The futures that are done, or were taken back by the executor, which says nothing then."""
    for _ in range(PATIENCE):
        done = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED).done
        found = [each for each in waiting if each in done or each.cancelled()]
        if found:
            return found
    LOG.warning("Nothing came back for %d seconds: has the executor workers?", PATIENCE)
    return []


def _room(waiting: dict[Future, _Sent], workers: int, most_rows: int) -> bool:
    """Whether one more job is to be sent."""
    few = len(waiting) < max(FIRST_AHEAD, AHEAD * workers)
    return few and (not waiting or sum(sent.rows for sent in waiting.values()) < most_rows)


def _withdraw(waiting: dict[Future, _Sent]) -> None:
    """Take back the jobs that no worker has begun, where the executor tells which these are."""
    if any(each.running() for each in waiting):
        for each in [each for each in waiting if not each.running() and each.cancel()]:
            del waiting[each]


def _explained(error: Exception, sent: _Sent) -> Exception:
    """An error that says where it arose and what to do."""
    what, refusal = _unsendable(sent)
    if refusal is not None and repr(refusal) == repr(error):
        told = TypeError(
            f"{what} cannot be sent to the workers: {error}. Put it into a Python file and import "
            "it from there (--law FILE.py:NAME), or use Dask, which sends functions as they are."
        )
        told.__cause__ = error
        return told
    error.add_note(_advice(sent.title))
    return error


def _advice(title: str) -> str:
    return f"{title}: what is finished is kept; resume=True (--resume) goes on."


def _unsendable(sent: _Sent) -> tuple[str, Exception | None]:
    """What of a job cannot be sent to another process, and what Python says of that."""
    named = {f"{name}=": getattr(sent.asked, name) for name in ("loss", "pipeline")}
    options = {f"{name}=": value for name, value in sent.asked.options.items()}
    for what, value in {"The law": sent.law, **named, **options}.items():
        try:
            ForkingPickler.dumps(value)
        except Exception as refusal:
            return what, refusal
    return "", None


@contextmanager
def stopped() -> Iterator[Callable[[], bool]]:
    """Tell whether Ctrl-C was pressed; pressed twice, it interrupts as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def press(*_):
        pressed.set()
        signal.signal(signal.SIGINT, before)
        LOG.warning("Stopping at the end of this chunk; press Ctrl-C again to stop at once.")

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    except KeyboardInterrupt as stop:
        if stop.args:
            raise
        raise KeyboardInterrupt(
            "interrupted; what is finished is kept, and resume=True (--resume) goes on."
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)
