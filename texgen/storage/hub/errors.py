"""Answers of the Hub as errors that name the data set, the reason and a hint."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from typing import Any

from texgen.core.text import escape_unprintable
from texgen.storage.errors import ConditionFailedError, MissingFileError, StoreError
from texgen.storage.network.causes import RETRYABLE_STATUS, cause_of
from texgen.storage.network.proxies import host_url, proxy_for

_LOG_IN = "run `hf auth login`, or set HF_TOKEN"
_WRITE = "use a token with write access to it (hf.co/settings/tokens)"
_WITHOUT_XET = "check the network, or set HF_HUB_DISABLE_XET=1 to send files by Git LFS"
_MOST_WORDS = 300
_PRIVATE = f"check its name; if it is private or gated: {_LOG_IN}"
_RATELIMIT = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d{1,9})")


def hub_error(
    verb: str, place: str, error: Exception, token: str | None, endpoint: str
) -> StoreError | None:
    """A `StoreError`: ``cannot VERB PLACE: reason; hint``; None for what is a bug.

    Args:
        verb: What was to be done.
        place: ``hf://…``, what it was to be done with.
        error: The exception of the package `huggingface_hub` or below it.
        token: The user's token, which no message may show.
        endpoint: URL of the Hub.
    """
    answer = _answer_of(error)
    if answer is not None:
        words = _words(error, token)
        return refusal(verb, place, answer.status_code, answer.headers, token, words)
    if _is_of_xet(error):
        # The package hf_xet raises Python's own types, whose words alone tell what happened.
        reason = f"Xet, which takes the Hub's large files, failed ({_one_line(str(error), token)})"
        return StoreError(place, f"{reason}; {_WITHOUT_XET}", verb)
    if _is_of_network(error):
        cause, proxy = cause_of(error, "no answer"), proxy_for(endpoint)
        asked = f"{place} at {host_url(endpoint)}"
        asked += f", through the proxy {host_url(proxy)}" if proxy else ""
        reason = str(cause) if cause.hint else f"{cause}; check the network and HF_ENDPOINT"
        return StoreError(asked, reason, verb, retryable=cause.retryable)
    if isinstance(error, ValueError | KeyError | TypeError):
        # The package reads answers without checking them.
        words = _one_line(str(error), token)
        reason = f"the answer is not that of a Hub ({type(error).__name__}: {words})"
        return StoreError(f"{place} at {host_url(endpoint)}", f"{reason}; check HF_ENDPOINT", verb)
    return None


def refusal(
    verb: str,
    place: str,
    status: int,
    headers: Mapping[str, str],
    token: str | None,
    words: str = "",
) -> StoreError:
    """The error of an answer other than 200.

    Args:
        verb: What was to be done; empty to name the place alone.
        place: What it was to be done with.
        status: Status of the answer.
        headers: Headers of the answer.
        token: The user's token; None if the request had none.
        words: The Hub's own words.
    """
    kind, (reason, hint) = _explain(verb, status, headers, token)
    text = f"{reason}; {hint}" if hint else reason
    after_s = _retry_after_s(headers)
    retryable = status in RETRYABLE_STATUS
    # For codes of its own the Hub has fixed words, which add nothing.
    known = headers.get("X-Error-Code") or status in (401, 429)
    text += f" (its words: {words})" if words and not known else ""
    return kind(place, text, verb, retryable=retryable, after_s=after_s if retryable else 0)


_Kind = type[StoreError]


def _explain(
    verb: str, status: int, headers: Mapping[str, str], token: str | None
) -> tuple[_Kind, tuple[str, str]]:
    code = headers.get("X-Error-Code") or ""
    message = headers.get("X-Error-Message") or ""
    if code == "GatedRepo":
        hint = _LOG_IN if token is None else "wait for it if you have asked"
        page = "open its page in a browser and ask for access"
        return StoreError, ("its owner decides who may read it (gated)", f"{page}; {hint}")
    if code == "RevisionNotFound":
        return MissingFileError, ("it has no such revision", "write a branch, tag or commit")
    if code == "EntryNotFound":
        return MissingFileError, ("it is not there", "")
    if "Invalid credentials" in message:
        return StoreError, ("the Hub does not know this token, or no longer", _LOG_IN)
    if code == "RepoNotFound" or status == 404:
        hint = _PRIVATE if token is None else "check its name, and that the token may read it"
        return MissingFileError, ("there is no such data set, or none that you may see", hint)
    if status == 401:
        return StoreError, ("the Hub asks who you are (401)", _LOG_IN)
    if status == 403:
        hint = _WRITE if verb in ("write", "create") else "ask its owner for access"
        return StoreError, ("the token does not allow it (403)", hint)
    if status == 412:
        return ConditionFailedError, ("somebody else has changed it meanwhile", "run again")
    if status == 429:
        return StoreError, ("the Hub's rate limit is reached (429)", "try again later")
    hint = "try again later" if status in RETRYABLE_STATUS else ""
    return StoreError, (f"the Hub answers {status}", hint)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """The pause that the Hub asks for, s; 0 if it asks for none."""
    limit = _RATELIMIT.search(headers.get("RateLimit") or "")
    text = limit[1] if limit else (headers.get("Retry-After") or "").strip()
    return float(text) if text.isdigit() and len(text) < 10 else 0.0


def _answer_of(error: BaseException | None) -> Any:  # noqa: ANN401 - of httpx or httpx2
    """The answer that an error is about, or one below it; None if there is none."""
    while error is not None:
        answer = getattr(error, "response", None)
        if getattr(answer, "status_code", None) is not None:
            return answer
        error = error.__cause__
    return None


def _is_of_xet(error: BaseException) -> bool:
    """Whether an error comes from hf_xet: compiled, it has no frames, and its callers are named."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any("xet" in frame.f_code.co_name for frame in frames)


def _is_of_network(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionError | TimeoutError):
            return True
        if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2"):
            return True
        error = error.__cause__
    return False


def _words(error: BaseException | None, token: str | None) -> str:
    """The Hub's own text, on one line; empty if it says nothing."""
    while error is not None:
        words = getattr(error, "server_message", None)
        if words:
            return _one_line(str(words), token)
        error = error.__cause__
    return ""


def _one_line(words: str, token: str | None) -> str:
    text = escape_unprintable(" ".join(words.split())).strip(" -").rstrip(".")
    text = text.replace(token, "…") if token else text
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]}…"
