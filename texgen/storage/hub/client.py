"""The client of the Hub, `huggingface_hub`, as texgen uses it: time-outs, retries, quiet."""

from __future__ import annotations

import functools
import importlib.util
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from texgen.core.errors import ConfigError
from texgen.storage.errors import StoreError
from texgen.storage.hub.errors import hub_error
from texgen.storage.network.certificates import check_bundle
from texgen.storage.network.proxies import host_url, proxy_for

_Answer = TypeVar("_Answer")

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
MAX_PAUSE_S = 120.0
"""Longest pause; if the Hub asks for a longer one, the user decides."""

_TIMEOUT_S = 60.0
_NOT_INSTALLED = "hf:// needs the package huggingface_hub: run `pip install 'texgen-shards[hub]'`"
_OFFLINE = "HF_HUB_OFFLINE is set, so that nothing is asked of the Hub; unset it"


@dataclass(frozen=True, slots=True)
class HubClient:
    """Requests to the Hub.

    Attributes:
        api: `huggingface_hub.HfApi`.
        endpoint: URL of the Hub, without a slash at its end.
        token: The user's token; None if there is none.
    """

    api: Any
    endpoint: str
    token: str | None

    @property
    def headers(self) -> dict[str, str]:
        """Headers that may go to the Hub only."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def call(self, verb: str, place: str, request: Callable[[], _Answer]) -> _Answer:
        """Calls ``request``, again after a pause if that may help.

        Raises:
            StoreError: If it fails; names the verb, the place, the reason and a hint.
        """
        for pause_s in PAUSES_S:
            try:
                return self.call_once(verb, place, request)
            except StoreError as error:  # noqa: PERF203 - a request takes longer
                if not error.retryable:
                    raise
                pause(pause_s, error)
        return self.call_once(verb, place, request)

    def call_once(self, verb: str, place: str, request: Callable[[], _Answer]) -> _Answer:
        """Calls ``request`` once; see `call`."""
        try:
            return request()
        except Exception as error:
            known = hub_error(verb, place, error, self.token, self.endpoint)
            if known is None:
                raise
            raise known from error


def pause(pause_s: float, error: StoreError) -> None:
    """Waits, and longer if the Hub asks for it.

    Raises:
        StoreError: If the Hub asks for more than `MAX_PAUSE_S`.
    """
    if error.after_s > MAX_PAUSE_S:
        reason = f"{error.reason}; it asks to retry after {error.after_s:.0f} s: run again then"
        raise StoreError(error.place, reason, error.verb) from error
    time.sleep(max(pause_s, error.after_s))


@functools.cache
def hub_client() -> HubClient:
    """This process's client, with the user's token and the endpoint of the environment.

    Raises:
        ConfigError: If the package is missing, or the environment's settings cannot be used.
    """
    _check_package()
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars, logging

    endpoint = constants.ENDPOINT
    if host_url(endpoint) is None or not endpoint.lower().startswith(("http://", "https://")):
        # It may hold a password.
        raise ConfigError("HF_ENDPOINT is not a URL such as https://host:port; repair or unset it")
    if constants.HF_HUB_OFFLINE:
        raise ConfigError(_OFFLINE)
    # The settings are looked at here, so that errors in them are errors of texgen.
    proxy_for(endpoint)
    if bundle := check_bundle():
        _trust(ssl.create_default_context(cafile=bundle))
    else:
        _trust(None)
    # texgen has a bar of its own, and reports an error once.
    disable_progress_bars()
    logging.set_verbosity_error()
    return HubClient(huggingface_hub.HfApi(library_name="texgen"), endpoint, _token())


def _check_package() -> None:
    """Imports the package, which reads its settings from the environment.

    Raises:
        ConfigError: If it is missing, too old, broken, or cannot read a setting.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ConfigError(_NOT_INSTALLED)
    try:
        from huggingface_hub import constants, set_client_factory
        from huggingface_hub.utils import _http
    except ImportError as error:
        raise ConfigError(
            f"the package huggingface_hub is too old or broken ({error.msg}): run "
            "`pip install --upgrade 'texgen-shards[hub]'`"
        ) from error
    except ValueError as error:
        # The package converts variables to numbers as it is imported.
        raise ConfigError(
            f"the package huggingface_hub does not start ({error}); check the variables of the "
            "environment that begin with HF_"
        ) from error
    del constants, set_client_factory, _http


def _token() -> str | None:
    """The user's token; None if there is none.

    Raises:
        ConfigError: If it cannot be read, or is not a valid token.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_token

    try:
        token: str | None = get_token()
    except (OSError, UnicodeDecodeError) as error:
        # The error of decoding would show bytes of the file.
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise ConfigError(
            f"the Hub's token cannot be read from {constants.HF_TOKEN_PATH}: {reason}; run "
            "`hf auth login`, or set HF_TOKEN"
        ) from error
    if token is not None and not (token.isascii() and token.isprintable()):
        raise ConfigError("the Hub's token has characters that no token has; check HF_TOKEN")
    return token


def _trust(context: ssl.SSLContext | None) -> None:
    """Gives the package's connections a time limit, which they lack, and authorities to trust."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http as package

    def connect() -> Any:  # noqa: ANN401 - of httpx or httpx2, whichever the package uses
        made = package.default_client_factory()
        if context is None:
            made.timeout = _TIMEOUT_S
            return made
        hooks = made.event_hooks
        made.close()
        return type(made)(
            event_hooks=hooks, follow_redirects=True, timeout=_TIMEOUT_S, verify=context
        )

    set_client_factory(connect)
