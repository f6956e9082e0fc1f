"""Parses ``hf://datasets/USER/NAME@revision``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from texgen.core.errors import ConfigError

SCHEME = "hf://"
FORM = "hf://datasets/USER/NAME"

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_NAME}/{_NAME}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")
_MAX_NAME = 96
_OTHER_KINDS = {"models": "models", "spaces": "spaces", "buckets": "buckets", "kernels": "kernels"}
# A file of a data set has a page of its own, and its content lies below `resolve`.
_WEB = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/([^/?#]+/[^/?#]+)"
    r"/?(?:(?:tree|blob|viewer|settings|discussions)(?:/.*)?)?(?:[?#].*)?"
)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A data set on the Hub.

    Attributes:
        repo: ``USER/NAME``.
        revision: Branch, tag or commit; None for the branch ``main``.
    """

    repo: str
    revision: str | None = None

    @property
    def url(self) -> str:
        """The address as people type it."""
        return f"{SCHEME}datasets/{self.repo}" + (f"@{self.revision}" if self.revision else "")


def parse_hub_url(url: str) -> HubAddress:
    """Repository and revision of a URL.

    Raises:
        ConfigError: If it does not name a data set; says what to type.
    """
    rest = url.removeprefix(SCHEME).rstrip("/")
    path, mark, revision = rest.partition("@")
    kind, _, repo = path.partition("/")
    if kind in _OTHER_KINDS and repo.count("/") == 1:
        raise ConfigError(f"{url}: texgen reads and writes data sets only; write {FORM}")
    if kind != "datasets":
        is_repo = path.count("/") == 1 and _is_repo(path)
        hint = f"write {SCHEME}datasets/{rest}" if is_repo else f"write {FORM}"
        raise ConfigError(f"{url} does not name a data set on the Hub; {hint}")
    if not _is_repo(repo):
        raise ConfigError(f"{url}: {_repo_fault(repo)}; write {FORM}")
    revision = unquote(revision)
    if mark and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise ConfigError(
            f"{url}: {revision!r} is not a valid revision; write a branch, tag or commit after @"
        )
    return HubAddress(repo, revision or None)


def check_web_url(url: str) -> None:
    """Refuses the page of a data set on the Hub, which holds no files.

    Raises:
        ConfigError: If it is one; names the URL to type.
    """
    if match := _WEB.fullmatch(url):
        raise ConfigError(f"{url} is a page for browsers; write {SCHEME}datasets/{match[1]}")


def _is_repo(repo: str) -> bool:
    fits = len(repo) <= _MAX_NAME and "--" not in repo and ".." not in repo
    return fits and not repo.endswith(".git") and _REPO.fullmatch(repo) is not None


def _repo_fault(repo: str) -> str:
    steps = repo.split("/") if repo else []
    if len(steps) < 2:
        return "the name of a user or organization, or of the data set, is missing"
    if len(steps) > 2:
        return "folders inside a data set cannot be named"
    return f"{repo!r} is not a valid name"
