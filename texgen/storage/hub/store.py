"""`HubStore`: files of a data set on the Hub at one commit, for downloads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import urllib3

from texgen.core.layout import INDEX
from texgen.storage.errors import MissingFileError, StoreError
from texgen.storage.http import HttpStore
from texgen.storage.hub.address import HubAddress
from texgen.storage.hub.client import HubClient, hub_client
from texgen.storage.hub.errors import refusal
from texgen.storage.store import Stream, StreamStore


class HubStore(StreamStore):
    """Files of a data set's repository; see `texgen.storage.store.StreamStore`.

    The revision becomes a commit with the first request, and every file is read at that commit,
    whatever is published meanwhile.

    Args:
        address: The data set.

    Raises:
        ConfigError: See `hub_client`.
    """

    def __init__(self, address: HubAddress) -> None:
        self._address = address
        self._client = hub_client()
        self._guard = threading.Lock()
        self._files: HttpStore | None = None

    def place(self, path: str = "") -> str:
        """See `StreamStore.place`."""
        return f"{self._address.url}/{path}".rstrip("/")

    @contextlib.contextmanager
    def stream(self, path: str, offset: int = 0) -> Iterator[Stream]:
        """See `StreamStore.stream`."""
        with self._at_commit().stream(path, offset) as stream:
            yield stream

    def _at_commit(self) -> HttpStore:
        with self._guard:
            if self._files is None:
                self._files = FilesAtCommit(self._client, self._address, self._commit())
            return self._files

    def _commit(self) -> str:
        repo, revision = self._address.repo, self._address.revision
        api, place = self._client.api, self.place()
        try:
            # `fetch` retries.
            found = self._client.call_once(
                "read", place, lambda: api.dataset_info(repo, revision=revision)
            )
        except MissingFileError as error:
            raise model_error(self._client, self._address) or error from error
        commit: str = found.sha
        return commit


def model_error(client: HubClient, address: HubAddress) -> StoreError | None:
    """The error of a name that is a model's; None if it is not."""
    with contextlib.suppress(Exception):
        client.api.model_info(address.repo)
        reason = "that is a model, not a data set; check the name"
        return StoreError(address.url, reason, "read")
    return None


class FilesAtCommit(HttpStore):
    """Files of one commit by HTTP, with the user's token.

    Args:
        client: The user's client.
        address: The data set.
        commit: Hash of the commit, or another revision.
    """

    def __init__(self, client: HubClient, address: HubAddress, commit: str) -> None:
        url = f"{client.endpoint}/datasets/{address.repo}/resolve/{commit}"
        super().__init__(url, secret_headers=client.headers)
        self._client = client
        self._place = address.url

    def place(self, path: str = "") -> str:
        """See `StreamStore.place`."""
        return f"{self._place}/{path}".rstrip("/")

    def _refused(self, response: urllib3.BaseHTTPResponse, place: str) -> StoreError:
        token = self._client.token
        error = refusal("", place, response.status, response.headers, token)
        if isinstance(error, MissingFileError) and place.endswith(f"/{INDEX}"):
            return MissingFileError(place, f"{error.reason}; no texgen data set is published here")
        return error
