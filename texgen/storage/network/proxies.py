"""The proxy that the environment names for a URL."""

from __future__ import annotations

import ipaddress
import urllib.request
from urllib.parse import urlsplit

from texgen.core.errors import ConfigError


def proxy_for(url: str) -> str | None:
    """URL of the proxy for a request to ``url``; None if there is none.

    `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` count; lower case comes first.

    Raises:
        ConfigError: If it is not an HTTP proxy.
    """
    proxies = urllib.request.getproxies()
    parts = urlsplit(url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or _is_direct(parts.netloc.rpartition("@")[2], parts.hostname or ""):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme = urlsplit(proxy).scheme
    if scheme not in ("http", "https"):
        raise ConfigError(
            f"the environment names a {scheme}:// proxy for {parts.scheme}://, and texgen knows "
            f"http:// proxies only; set {parts.scheme}_proxy, or no_proxy={parts.hostname}"
        )
    if host_url(proxy) is None:
        raise ConfigError(f"{parts.scheme}_proxy does not name a proxy; write http://host:port")
    return proxy


def host_url(url: str) -> str | None:
    """``http://host:port`` of a URL, without anything that may be secret; None without a host."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def _is_direct(netloc: str, host: str) -> bool:
    """Whether ``NO_PROXY`` names a host: by name, domain, port or network."""
    if urllib.request.proxy_bypass(netloc):
        return True
    names = urllib.request.getproxies_environment().get("no", "").split(",")
    return any(_covers(name.strip(), host) for name in names)


def _covers(name: str, host: str) -> bool:
    """Whether a network such as ``10.0.0.0/8``, an IPv6 address or ``*.domain`` covers a host."""
    if name.startswith("*."):
        return host.endswith(name[1:].lower())
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name.strip("[]"), strict=False)
    except ValueError:
        return False
