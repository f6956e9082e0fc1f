"""Certificate authorities that texgen trusts."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from texgen.core.errors import ConfigError

BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name a file of authorities; the first that is set counts."""


def bundle() -> tuple[str, Path] | None:
    """The variable that names a file of authorities, and the file; None if none is set."""
    named = next((name for name in BUNDLES if os.environ.get(name)), None)
    return (named, Path(os.environ[named])) if named else None


def check_bundle() -> Path | None:
    """The file of authorities that the environment names; None for those of the system.

    Raises:
        ConfigError: If it cannot be used.
    """
    named = bundle()
    if named is None:
        return None
    name, path = named
    try:
        ssl.create_default_context(cafile=path)
    except FileNotFoundError:
        reason = "is not there"
    except ssl.SSLError:
        reason = "holds no certificates in PEM form"
    except OSError as error:
        reason = f"cannot be read: {os.strerror(error.errno or 0)}"
    else:
        return path
    raise ConfigError(
        f"{name} names {path}, which {reason}; name a file of certificates, or unset {name}"
    )


def trust_hint(missing: str) -> str:
    """How what is missing can be trusted: "that authority", or "it"."""
    named = bundle()
    if named:
        return f"add {missing} to {named[1]}, which {named[0]} names"
    return f"name a file that holds {missing} in SSL_CERT_FILE"
