"""`HubRepo`: the repository of a data set that is published to."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from texgen.core.concurrency import ordered_map
from texgen.core.errors import ConfigError
from texgen.storage.errors import MissingFileError
from texgen.storage.hub.address import HubAddress
from texgen.storage.hub.client import hub_client
from texgen.storage.hub.store import FilesAtCommit
from texgen.storage.store import Content

GATES = ("auto", "manual")
"""Kinds of access requests: granted to everybody who agrees to the terms, or by the owner."""

_ANONYMOUS = (
    "publishing needs a token: run `hf auth login`, or set HF_TOKEN to one with write access"
)


class HubRepo:
    """A data set's repository, on its branch ``main``.

    Args:
        address: The data set.

    Attributes:
        url: URL of the data set, ``hf://…``.
        page: URL of its page for browsers.
        parallel: Files that are worth reading at once.
        is_open: Whether everybody may read it, and nobody has to ask for access.

    Raises:
        ConfigError: If there is no token, or a revision is named.
    """

    parallel = 8

    def __init__(self, address: HubAddress) -> None:
        if address.revision:
            raise ConfigError(
                f"{address.url}: publish writes to the branch main; leave out @{address.revision}"
            )
        self._address = address
        self._client = hub_client()
        if self._client.token is None:
            raise ConfigError(_ANONYMOUS)
        self.url = address.url
        self.page = f"{self._client.endpoint}/datasets/{address.repo}"
        self.is_open = True
        self._commit = ""
        self._files: dict[str, Any] = {}

    def prepare(self, *, private: bool, gate: str | None) -> None:
        """Creates the repository if it is missing, and gates it if that is asked for.

        Raises:
            ConfigError: If it is public and was to be private.
            StoreError: If the Hub refuses.
        """
        api, repo = self._client.api, self._address.repo
        try:
            info = self._info()
        except MissingFileError:
            self._call(
                "create",
                lambda: api.create_repo(
                    repo, repo_type="dataset", private=private or None, exist_ok=True
                ),
            )
            info = self._info()
        if private and not info.private:
            raise ConfigError(
                f"{self.url} is public; make it private on {self.page}/settings, or leave out "
                "--private"
            )
        self.is_open = not (info.private or info.gated or gate)
        if gate and info.gated != gate:
            self._call(
                "write",
                lambda: api.update_repo_settings(repo, gated=gate, repo_type="dataset"),
            )

    def refresh(self) -> None:
        """Reads the last commit and the names of its files.

        Raises:
            StoreError: If the Hub cannot be asked.
        """
        api, repo = self._client.api, self._address.repo
        commit = self._info().sha
        tree = self._call(
            "list",
            lambda: list(
                api.list_repo_tree(repo, revision=commit, recursive=True, repo_type="dataset")
            ),
        )
        # Folders have no size.
        self._files = {entry.path: entry for entry in tree if hasattr(entry, "size")}
        self._commit = commit

    def list(self, prefix: str) -> dict[str, int]:
        """Returns paths and bytes of the files below a folder, of the last `refresh`."""
        return {path: file.size for path, file in self._files.items() if path.startswith(prefix)}

    def read(self, path: str) -> bytes:
        """Returns the bytes of a small file.

        Raises:
            StoreError: If it cannot be read.
        """
        store = FilesAtCommit(self._client, self._address, self._commit)

        def fetch() -> bytes:
            with store.stream(path) as stream:
                return b"".join(stream.blocks)

        return self._client.call("", self.url, fetch)

    def open(self, path: str) -> io.BytesIO:
        """Returns a small file, to be read; see `read`."""
        return io.BytesIO(self.read(path))

    def sha256_of(self, path: str) -> str | None:
        """Returns the SHA-256 of a file, hex; None if there is none.

        Raises:
            StoreError: If it cannot be read.
        """
        if path not in self._files:
            return None
        lfs = self._files[path].lfs
        # The Hub knows it for large files; the others are small.
        return lfs.sha256 if lfs else hashlib.sha256(self.read(path)).hexdigest()

    def check_card(self, text: bytes) -> None:
        """Asks the Hub whether it takes the metadata of a card.

        Raises:
            ConfigError: If it does not; quotes its words.
            StoreError: If it cannot be asked.
        """
        from huggingface_hub.utils import get_session, hf_raise_for_status

        def fault() -> str:
            # `DatasetCard.validate` of older packages asks huggingface.co, whatever the endpoint.
            answer = get_session().post(
                f"{self._client.endpoint}/api/validate-yaml",
                json={"repoType": "dataset", "content": text.decode()},
                headers=self._client.headers,
            )
            if answer.status_code != 400:
                hf_raise_for_status(answer)
                return ""
            return str(answer.text)

        if words := self._call("write", fault):
            raise ConfigError(
                f"{self.url}: the Hub refuses the card's metadata: {_messages(words)}; "
                "check --license"
            )

    def upload(self, files: Mapping[str, Content], workers: int) -> tuple[Any, ...]:
        """Uploads the content of files, which are not part of the repository before a `commit`.

        Returns:
            What `commit` takes, with the SHA-256 of what was sent in ``upload_info.sha256``.

        Raises:
            StoreError: If the Hub refuses, or does not answer.
        """
        from huggingface_hub import CommitOperationAdd

        added = [
            CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
            for path, content in files.items()
        ]
        # The package retries; a file that is there already is not sent again.
        sending = ordered_map(
            lambda additions: self._send(additions, workers),
            [added],
            1,
            # A signal must not wait for the package's threads, as it does if this thread waits.
            on_wait=lambda: None,
            patience_s=0,
        )
        list(sending)
        for addition in added:
            # Small files are sent with the commit, when a temporary file may be gone.
            if isinstance(addition.path_or_fileobj, str):
                content = Path(addition.path_or_fileobj).read_bytes()
                addition.path_or_fileobj = content
                # The package would read the file later to know it.
                addition.upload_info.sha256 = hashlib.sha256(content).digest()
        return tuple(added)

    def _send(self, added: Iterable[Any], workers: int) -> None:
        api, repo = self._client.api, self._address.repo
        self._client.call_once(
            "write",
            self.url,
            lambda: api.preupload_lfs_files(
                repo, additions=added, repo_type="dataset", num_threads=workers
            ),
        )

    def commit(self, added: Iterable[Any], message: str) -> None:
        """Makes uploaded files part of the repository, all at once.

        Raises:
            ConditionFailedError: If there is another commit since `refresh`.
            StoreError: If the Hub refuses. If it does not answer, the commit may have been made.
        """
        api, repo = self._client.api, self._address.repo
        made = self._client.call_once(
            "write",
            self.url,
            lambda: api.create_commit(
                repo,
                [*added],
                commit_message=message,
                repo_type="dataset",
                parent_commit=self._commit,
            ),
        )
        self._commit = made.oid

    def _info(self) -> Any:  # noqa: ANN401 - the package's own type
        api, repo = self._client.api, self._address.repo
        return self._call("read", lambda: api.dataset_info(repo))

    def _call(self, verb: str, request: Any) -> Any:  # noqa: ANN401 - the package's own types
        return self._client.call(verb, self.url, request)


def _messages(text: str) -> str:
    """The Hub's words in an answer about metadata."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        answer = json.loads(text)
        words = [error["message"] for error in answer.get("errors", [])] or [answer["error"]]
        return " ".join("; ".join(words).split())
    return " ".join(text.split())[:300]
