"""A language model as a proposer, behind any endpoint that speaks OpenAI's chat completions.

Needs the extra `llm`. What it costs is bounded beforehand and logged; what it says is only parsed.
"""

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..files import path_of
from . import prompt
from .forms import Form
from .history import History

ASKED = (24, 60)  # forms a call: dozens cost hardly more than one
LONGEST_WAIT = 60.0
_OVERHEAD = 200  # tokens that a server may add to what it is sent
_LEAST = 256  # tokens of a reply for which a call is worth its while
# Settings that some models refuse; all but the first are left out then.
_OPTIONAL = ("max_tokens", "temperature", "seed")
# Why a reply ended; whatever else a server says does not get into the log.
_ENDS = ("stop", "length", "content_filter", "tool_calls")


class LLMError(RuntimeError):
    """The model cannot be asked, and why; a search may go on without it."""


@dataclass(frozen=True)
class Spent:
    """What was used: calls, failed ones too, and tokens sent and received."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True)
class Budget:
    """What an LLM may use in all; no call is made that could go beyond it.

    money: in the currency of `prices`, which are (sent, received) for a million tokens.
    """

    calls: int = 20
    tokens: int = 200_000
    money: float = math.inf
    prices: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self):
        if not (self.calls >= 0 and self.tokens >= 0 and self.money >= 0 and min(self.prices) >= 0):
            raise ValueError(f"{self}: nothing in a budget may be below 0.")
        if math.isfinite(self.money) and not any(self.prices):
            raise ValueError("A budget of money needs prices=(sent, received), a million tokens.")

    def cost(self, spent: Spent) -> float:
        """What was spent, in money."""
        sent, received = self.prices
        return (sent * spent.tokens_in + received * spent.tokens_out) / 1e6

    def room(self, spent: Spent, tokens_in: int) -> int:
        """How many tokens the reply to a next call of `tokens_in` may have; 0 or less: none."""
        if spent.calls >= self.calls:
            return 0
        tokens = self.tokens - spent.tokens_in - spent.tokens_out - tokens_in
        sent = Spent(tokens_in=spent.tokens_in + tokens_in, tokens_out=spent.tokens_out)
        money = self.money - self.cost(sent)
        if money < 0 or math.isinf(money) or not self.prices[1]:
            return 0 if money < 0 else tokens
        return min(tokens, int(money * 1e6 / self.prices[1]))


@dataclass(frozen=True)
class _Answer:
    text: str
    tokens_in: int | None
    tokens_out: int | None
    finish: str


class _Fault(Exception):
    """A call that failed. again: whether to try once more; wait: not before so many seconds.

    billed: whether it may have used tokens all the same. refused: the setting that was at fault.
    """

    def __init__(self, kind: str, words: str, again=False, wait=0.0, billed=False, refused=""):
        super().__init__(words)
        self.kind, self.again, self.wait, self.billed = kind, again, wait, billed
        self.refused = refused


@dataclass
class LLM:
    """Proposes the formulas that a language model writes.

    model, base_url, key: by default what JAXFIT_LLM_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY say.
    budget: never overrun. log: a file to which one line of JSON is added for each call; what the
    calls in it used already counts, so that a search that is resumed goes on with what is left.
    temperature, seed: passed on where the model takes them; None leaves them out. timeout: seconds
    until a silent call is given up. retries, backoff: how often a call is repeated that failed for
    no fault of its own, after backoff, 2 backoff, 4 backoff, ... seconds, or what the server asks
    for. sin: whether forms may have sines. reply_tokens: at most, in one reply.

    The question that `propose` asks depends on the history and on what was dropped of the model's
    last reply; the seed and the room of the reply depend on what was spent too. Raises LLMError
    when the model cannot be asked.
    """

    model: str = ""
    base_url: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    budget: Budget = field(default_factory=Budget)
    log: str | os.PathLike | None = None
    temperature: float | None = 0.8
    seed: int | None = 0
    timeout: float = 120.0
    retries: int = 4
    backoff: float = 1.0
    sin: bool = False
    reply_tokens: int = 4096
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    spent: Spent = field(default_factory=Spent, init=False)
    dropped: tuple[tuple[str, str], ...] = field(default=(), init=False, repr=False)
    _refused: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self):
        self.model = self.model or os.environ.get("JAXFIT_LLM_MODEL", "")
        if not self.model:
            raise ValueError(
                "No model was named: give model= (--llm MODEL), or set JAXFIT_LLM_MODEL."
            )
        self.base_url = self.base_url or os.environ.get("OPENAI_BASE_URL") or None
        if self.base_url and not _is_address(self.base_url):
            raise ValueError("base_url must read like http://localhost:8000/v1.")
        if not (self.timeout > 0 and self.retries >= 0 and self.backoff >= 0):
            raise ValueError("timeout must be above 0, retries and backoff at least 0.")
        if self.log is not None:
            # Before anything is paid for, not after.
            with path_of(self.log).open("a"):
                pass
            self.spent = _spent(path_of(self.log))

    @property
    def name(self) -> str:
        """What it is called in tables and logs."""
        return "llm"

    def check(self) -> None:
        """Raise what a call would, before one is made: ImportError without the extra, or LLMError.

        Says nothing of whether the key is valid, or the server there.
        """
        with _client(self._key(), self.base_url, self.timeout):
            pass

    def propose(self, history: History, n: int) -> list[Form]:
        """New forms of one call, about n but dozens; none when the budget has no room for one."""
        if n <= 0:
            return []
        chat = prompt.messages(history, min(max(n, ASKED[0]), ASKED[1]), self.dropped, self.sin)
        start = time.monotonic()
        if (answer := self._asked(chat)) is None:
            return []
        reading = prompt.read(answer.text, history, self.sin)
        self.dropped = reading.dropped
        counts = {"read": len(reading.forms), "dropped": len(reading.dropped)}
        self._write(start, answer.tokens_in, answer.tokens_out, finish=answer.finish, **counts)
        return list(reading.forms)

    def _asked(self, chat: list[dict[str, str]]) -> _Answer | None:
        """The reply to a chat, asked again after passing faults; None without budget."""
        most, fault = _most_tokens(json.dumps(chat)), None
        with _client(self._key(), self.base_url, self.timeout) as client:
            for attempt in range(self.retries + 1):
                room = min(self.reply_tokens, self.budget.room(self.spent, most))
                if room < min(_LEAST, self.reply_tokens):
                    break
                if fault and not fault.refused:
                    pause = max(self.backoff * 2 ** (attempt - 1), fault.wait)
                    self.sleep(min(pause, LONGEST_WAIT))
                start = time.monotonic()
                try:
                    answer = _ask(client, self._request(chat, room))
                except _Fault as error:
                    fault = error
                    used = (most, room) if fault.billed else (0, 0)
                    self._pay(*used)
                    self._write(start, *used, error=fault.kind)
                    self._refused |= {fault.refused} - {""}
                    if not fault.again:
                        break
                else:
                    return self._paid(answer, most)
        if fault is None:
            return None
        raise LLMError(f"{self.model} at {_host(self.base_url)}: {fault}")

    def _request(self, chat: list[dict[str, str]], room: int) -> dict[str, Any]:
        # Newer models know the limit by another name.
        limit = "max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"
        # A server that keeps to its seed would give the same reply to the same question.
        seed = None if self.seed is None else self.seed + self.spent.calls
        options = {"temperature": self.temperature, "seed": seed}
        kept = {k: v for k, v in options.items() if v is not None and k not in self._refused}
        return {"model": self.model, "messages": chat, limit: room, **kept}

    def _key(self) -> str:
        key = (self.key or os.environ.get("OPENAI_API_KEY") or "").strip()
        if not key and not self.base_url:
            raise LLMError("There is no key: set OPENAI_API_KEY, or OPENAI_BASE_URL to your own.")
        if not (key.isascii() and key.isprintable()):
            raise LLMError("OPENAI_API_KEY, or key=, has characters that no key has.")
        return key or "none"  # servers of one's own want no key, the library wants one

    def _paid(self, answer: _Answer, most: int) -> _Answer:
        """The answer with all its tokens known, and counted."""
        tokens_in = most if answer.tokens_in is None else answer.tokens_in
        tokens_out = answer.tokens_out
        if tokens_out is None:
            tokens_out = _most_tokens(answer.text)
        self._pay(tokens_in, tokens_out)
        return _Answer(answer.text, tokens_in, tokens_out, answer.finish)

    def _pay(self, tokens_in: int, tokens_out: int) -> None:
        old = self.spent
        self.spent = Spent(old.calls + 1, old.tokens_in + tokens_in, old.tokens_out + tokens_out)

    def _write(self, start: float, tokens_in: int | None, tokens_out: int | None, **more) -> None:
        if self.log is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "model": self.model,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "seconds": round(time.monotonic() - start, 3),
            **more,
        }
        with Path(self.log).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _spent(log: Path) -> Spent:
    """What the calls in a log used, together."""
    calls = []
    for i, line in enumerate(log.read_text(encoding="utf-8", errors="replace").splitlines()):
        try:
            call = json.loads(line)
            calls.append([int(call.get(name) or 0) for name in ("tokens_in", "tokens_out")])
        except (ValueError, TypeError, AttributeError):
            raise ValueError(f"Line {i + 1} of {log} is no call; name another file.") from None
    return Spent(len(calls), sum(sent for sent, _ in calls), sum(got for _, got in calls))


def _most_tokens(text: str) -> int:
    """No tokeniser makes more tokens of a text than it has bytes."""
    return len(text.encode(errors="replace")) + _OVERHEAD


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # what stands for a port is none
        return False


def _host(url: str | None) -> str:
    """Where a server is, without what an address may hold in secrets."""
    return urlsplit(url).netloc.rpartition("@")[2] if url else "OpenAI"


def _client(key: str, base_url: str | None, timeout: float) -> Any:
    try:
        import openai
    except ImportError as error:
        raise ImportError(
            "The LLM proposer needs openai (extra [llm]): pip install openai."
        ) from error
    # Repeating is done here, where it is counted.
    return openai.OpenAI(api_key=key, base_url=base_url, timeout=timeout, max_retries=0)


def _ask(client: Any, request: dict[str, Any]) -> _Answer:
    """One call; raises _Fault."""
    import openai

    try:
        return _answer(client.chat.completions.with_raw_response.create(**request).text)
    except openai.APIStatusError as error:
        raise _refusal(error, request, client.api_key) from None
    except openai.APITimeoutError:
        words = f"no reply within {client.timeout:g} s; timeout= may be larger."
        raise _Fault("timeout", words, again=True, billed=True) from None
    except openai.APIConnectionError:
        words = "it cannot be reached; is OPENAI_BASE_URL right, and is it running?"
        raise _Fault("unreachable", words, again=True) from None


def _answer(body: str) -> _Answer:
    try:
        reply = json.loads(body)
        choice = reply["choices"][0]
        text = choice["message"]["content"] or ""
        usage = reply.get("usage") or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        if not isinstance(text, str):
            raise TypeError
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        words = "what it replies is no chat completion; a base URL mostly ends in /v1."
        raise _Fault("broken reply", words, again=True, billed=True) from None
    sent, received = (
        count if isinstance(count, int) and 0 <= count < 10**9 else None for count in counts
    )
    finish = choice.get("finish_reason")
    return _Answer(text, sent, received, finish if finish in _ENDS else "unknown")


def _refusal(error: Any, request: dict[str, Any], key: str) -> _Fault:
    """What a status means, and what to do about it."""
    status, said = error.status_code, str(error.message).replace(key, "***")[:200]
    kind = str(status)
    if status in (401, 403):
        return _Fault(kind, f"the key was refused ({kind}); set OPENAI_API_KEY to a valid one.")
    if status == 404:
        words = "there is no such model (404), or no such address: a base URL mostly ends in /v1."
        return _Fault(kind, words)
    if status == 429 and error.code == "insufficient_quota":
        return _Fault(kind, "the account has nothing left to pay with (429).")
    if status in (408, 409, 429) or status >= 500:
        words = "too many requests (429)." if status == 429 else f"the server fails ({kind})."
        return _Fault(kind, words, again=True, wait=_retry_after(error), billed=status == 408)
    if refused := next((name for name in _OPTIONAL if name in request and name in said), ""):
        return _Fault(kind, f"it refuses {refused} ({kind}).", again=True, refused=refused)
    return _Fault(kind, f"the request was refused ({kind}): {said!r}.")


def _retry_after(error: Any) -> float:
    try:
        seconds = float(error.response.headers.get("retry-after", 0))
    except ValueError:  # a date
        return 0.0
    return seconds if seconds > 0 else 0.0
