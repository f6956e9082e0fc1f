"""Start and end of Ray, in a thread of its own."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.job_config import JobConfig

from texgen.build.executors.output_capture import native_stderr
from texgen.build.executors.ray_requirements import check_limits, private_folder
from texgen.core import signals
from texgen.core.errors import ConfigError, ScratchError
from texgen.core.temporary import temporary_root

_ANSWER_S = 15.0
"""Seconds within which a cluster must answer; Ray itself may wait forever."""

_REACH_S = 10.0
_LOOK_EVERY_S = 0.01
_OBJECT_STORE_BYTES = 128 << 20
"""Size of the object store: only records pass through it."""

_CLIENT = "ray://"
_SETTINGS = {
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
    "RAY_worker_lease_timeout_milliseconds": "10000",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}
"""Settings of the driver's Ray that the user may override in the environment.

Keepalive decides how soon a node that does not answer is noticed: with Ray's own 300 and 120 s,
requests for workers hang that long after a network was cut, and with them all further shards.
The lease time-out decides how long a worker is kept while shards wait: with Ray's own 0.5 s each
shard requests a new worker, which takes 0.1 s. A stopped build drops its running tasks, and Ray
would print an error for each.
"""

_log = logging.getLogger(__name__)


class RaySession:
    """A started local Ray, or a connection to a cluster.

    Ray starts in native code that no signal reaches, that replaces signal handlers, and that may
    wait forever. Therefore it starts in another thread, while the calling thread waits with a
    time limit and receives signals. The other thread stays until `close`: the kernel ends the
    processes of a local Ray with the thread that started them.

    Args:
        address: Address of a running cluster; None starts a local Ray.
        workers: Number of processors of the local Ray; None is all.

    Raises:
        ConfigError: If Ray does not start, or the cluster does not answer in time. In the latter
            case the thread still waits, and Ray cannot be used in this process any more.
    """

    def __init__(self, address: str | None, workers: int | None) -> None:
        _check_temporary_root()
        self._address = address
        self._workers = workers
        self._error: BaseException | None = None
        if address is None:
            check_limits()
        self._folder = private_folder() if address is None else None
        self._settled = threading.Event()
        self._over = threading.Event()
        threading.Thread(target=self._live, name="texgen-ray", daemon=True).start()
        try:
            self._wait_for_start()
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """Ends the local Ray, or the connection."""
        # Ray's native code removes its handler of SIGTERM, and ours with it.
        with signals.kept():
            ray.shutdown()
        self._end()

    def _end(self) -> None:
        self._over.set()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _live(self) -> None:
        try:
            _start(self._address, self._workers, self._folder)
        except BaseException as error:  # noqa: BLE001 - raised where the start is waited for
            self._error = error
        self._settled.set()
        self._over.wait()

    def _wait_for_start(self) -> None:
        started = time.monotonic()
        with signals.kept() as put_back, native_stderr() as native_lines:
            while not self._settled.wait(_LOOK_EVERY_S):
                put_back()
                if self._address is not None and time.monotonic() - started > _ANSWER_S:
                    raise _no_answer(self._address, native_lines())
        if self._error is not None:
            raise _as_config_error(self._address, self._error) from self._error


def _start(address: str | None, workers: int | None, folder: Path | None) -> None:
    # Otherwise Ray prints a line about usage statistics and sends them.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Warnings that the user turns into errors would end Ray's own processes.
    os.environ.pop("PYTHONWARNINGS", None)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # Ray warns that it does not handle SIGTERM outside the main thread; that is intended.
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    quiet |= _without_current_folder(address)
    if address is None:
        # Ray itself would write a token to the home folder, which a container's user may lack.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # "local" even if RAY_ADDRESS names a cluster: --ray-address auto uses that one.
        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _temp_dir=str(folder) if folder else None,
            **quiet,
        )
    else:
        _check_reachable(address)
        ray.init(address=address, **quiet)


def _check_temporary_root() -> None:
    """Raises `ConfigError` if Ray has no folder for its sockets and logs."""
    try:
        temporary_root()
    except ScratchError as error:
        raise ConfigError(f"Ray does not start: {error}; or use --no-ray") from error


def _without_current_folder(address: str | None) -> dict[str, Any]:
    """Options that keep the driver's folder out of the path of Ray's workers.

    `texgen.build.executors.ray_entry` removes it from the path too, but Ray itself imports Arrow
    before that.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ or (address or "").startswith(_CLIENT):
        # A submitted job has settings of its own, and Ray's client adds no folder.
        return {}
    config = JobConfig()
    # Ray's name for a driver whose folder does not exist for its workers.
    config._client_job = True
    return {"job_config": config}


def _check_reachable(address: str) -> None:
    """Checks that a server listens at the address, sooner and with a clearer error than Ray.

    Raises:
        OSError: If no server listens.
        ValueError: If the address is not valid.
        ConfigError: If Ray's client is needed and not installed.
    """
    if address == "auto":
        return
    if address.startswith(_CLIENT) and importlib.util.find_spec("grpc") is None:
        raise ConfigError(
            f"--ray-address {address} needs Ray's client: run pip install 'ray[client]', or run "
            "texgen on a node of the cluster and name it as host:port"
        )
    host, colon, port = address.removeprefix(_CLIENT).rpartition(":")
    if not colon:
        raise ValueError("neither auto nor host:port")
    socket.create_connection((host.strip("[]"), int(port)), _REACH_S).close()


def _as_config_error(address: str | None, error: BaseException) -> ConfigError:
    if isinstance(error, ConfigError):
        return error
    if isinstance(error, UnicodeEncodeError):
        return ConfigError(
            "Ray accepts no command line that is not UTF-8: name paths by links with ASCII names, "
            "or use --no-ray"
        )
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if address is None:
        return ConfigError(f"Ray does not start: {reason}; use --no-ray")
    return _unreachable(address, reason)


def _no_answer(address: str, native: list[str]) -> ConfigError:
    for line in native:
        _log.warning("Ray says: %s", line)
    reason = f"no answer in {_ANSWER_S:.0f} s"
    if native:
        reason += f", Ray says: {native[-1].rstrip('.')}"
    if "Unauthenticated" in reason:
        # Ray sends a token to a given address only in this mode.
        return ConfigError(
            f"--ray-address {address}: {reason}; set RAY_AUTH_MODE=token, with the cluster's "
            "token in ~/.ray/auth_token or RAY_AUTH_TOKEN"
        )
    if address == "auto" or address.startswith(_CLIENT):
        return _unreachable(address, reason)
    # The server may well be a cluster: Ray waits for its own process on this machine.
    return ConfigError(
        f"--ray-address {address}: {reason}; start a cluster with `ray start --head`, or use "
        "--no-ray. If one is there, this machine must be one of its nodes: "
        f"`ray start --address {address} --num-cpus 0` makes it one"
    )


def _unreachable(address: str, reason: str) -> ConfigError:
    named = os.environ.get("RAY_ADDRESS") if address == "auto" else None
    place = f"--ray-address {address}" + (f" (RAY_ADDRESS is {named})" if named else "")
    return ConfigError(
        f"{place}: {reason}; start a cluster with `ray start --head`, or use --no-ray"
    )
