"""GET requests that follow redirects and use the environment's proxies and certificates."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from texgen.storage.errors import StoreError
from texgen.storage.network.causes import cause_of
from texgen.storage.network.certificates import check_bundle
from texgen.storage.network.proxies import host_url, proxy_for

_CONNECT_S = 10.0
_CONNECTIONS = 32
_REDIRECTS = 10
_PORTS = {"http": 80, "https": 443}


class Web:
    """This process's connections; threads may share it.

    Args:
        timeout_s: Silence after which a connection counts as dead, s.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout = urllib3.Timeout(connect=_CONNECT_S, read=timeout_s)
        self._pools: dict[tuple[str, str | None], urllib3.PoolManager] = {}

    def get(
        self,
        url: str,
        headers: Mapping[str, str],
        place: str,
        secret_headers: Mapping[str, str] | None = None,
    ) -> tuple[urllib3.BaseHTTPResponse, str]:
        """The answer at the end of all redirects, with a body that is not read yet.

        Args:
            url: What is asked for.
            headers: Headers that go to every server on the way, so none may be a secret.
            place: The URL for errors; it comes back with the redirect and the proxy that the
                answer came through.
            secret_headers: Headers that go to the first server alone: the same scheme, host and
                port.

        Raises:
            StoreError: If no server answers, or only one that is not trusted.
            ConfigError: If the environment's proxies or certificates cannot be used.
        """
        asked, first = place, _origin(url)
        for _ in range(_REDIRECTS + 1):
            proxy = proxy_for(url)
            via = f"{asked}, through the proxy {host_url(proxy)}" if proxy else asked
            own = secret_headers if secret_headers and _origin(url) == first else {}
            response = self._asked(url, {**headers, **own}, proxy, via)
            target = response.get_redirect_location()
            if not target:
                return response, via
            response.drain_conn()
            url = _next(url, target, via)
            asked = f"{place} (sent on to {host_url(url)})"
        raise StoreError(asked, f"redirects do not end, after {_REDIRECTS} of them; check the URL")

    def _asked(
        self, url: str, headers: Mapping[str, str], proxy: str | None, via: str
    ) -> urllib3.BaseHTTPResponse:
        pool = self._pool(urlsplit(url).scheme, proxy)
        try:
            return pool.request("GET", url, headers=headers, preload_content=False, redirect=False)
        except urllib3.exceptions.LocationValueError as error:
            reason = "that is not a URL; check how it is written"
            raise StoreError(via, reason) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            cause = cause_of(error, "no answer")
            raise StoreError(via, str(cause), retryable=cause.retryable) from error

    def _pool(self, scheme: str, proxy: str | None) -> urllib3.PoolManager:
        """The connections for one scheme: only those of https need the settings of TLS."""
        if (scheme, proxy) not in self._pools:
            # The caller retries, since it knows how much of a file is there already.
            options: dict[str, Any] = {
                "maxsize": _CONNECTIONS, "timeout": self._timeout, "retries": False,
            }  # fmt: skip
            options |= {"ssl_context": self._tls} if scheme == "https" else {}
            self._pools[scheme, proxy] = self._through(proxy, options)
        return self._pools[scheme, proxy]

    def _through(self, proxy: str | None, options: dict[str, Any]) -> urllib3.PoolManager:
        if proxy is None:
            return urllib3.PoolManager(**options)
        user = urllib3.util.parse_url(proxy).auth
        if user:
            options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=unquote(user))
        if proxy.startswith("https:"):
            options["proxy_ssl_context"] = self._tls
        return urllib3.ProxyManager(proxy, **options)

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=check_bundle())


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """The server of a URL; a port that is not valid is left to the request, which names it."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None, None


def _next(url: str, target: str, place: str) -> str:
    """The URL that a redirect leads to, if it may be followed."""
    try:
        new = urljoin(url, target)
        scheme = urlsplit(new).scheme
    except ValueError:
        new = scheme = ""
    if scheme not in ("http", "https") or host_url(new) is None:
        where = f"to {scheme}://" if scheme else "to what is not a URL"
        reason = f"the server sends on {where}, which is not followed; check the URL"
        raise StoreError(place, reason)
    if url.startswith("https:") and scheme == "http":
        reason = (
            f"the server sends on from https:// to {host_url(new)}, where anybody on the way may "
            "change what comes; name the http:// URL yourself if that is meant"
        )
        raise StoreError(place, reason)
    return new
