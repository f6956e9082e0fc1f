"""Ray's start and end, in a thread of their own."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.job_config import JobConfig

from texgen.build.executors.ray_requirements import check_limits, private_folder, remove
from texgen.build.executors.stderr_capture import NativeStderr
from texgen.core import signals
from texgen.core.errors import ConfigError, ScratchError
from texgen.core.temporary import temporary_root

_ANSWER_S = 15.0
"""Within which a cluster must answer; Ray itself may wait forever."""

_REACH_S = 10.0
_LOOK_EVERY_S = 0.01
_OBJECT_STORE_BYTES = 128 << 20
"""Only records pass through the object store."""

_CLIENT = "ray://"
_SETTINGS = {
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
    "RAY_worker_lease_timeout_milliseconds": "10000",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}
"""Of the driver, where the user has set nothing else.

How soon it notices that a node does not answer: with Ray's own 300 and 120 s requests for workers
hang that long where a network is cut, and with them all further shards. How long it keeps a worker
while shards wait: with Ray's own 0.5 s each shard asks the cluster for one anew, which takes 0.1 s.
A stopped build drops the tasks that are under way, and Ray would print each one's error.
"""

_log = logging.getLogger(__name__)


class RaySession:
    """A started Ray, or a connection to a cluster.

    Ray starts in native code that no signal reaches, that puts a handler of its own in
    the place of ours, and that may wait forever. So it starts in another thread, while
    the calling one waits with a limit and hears signals. That thread stays until
    `close`: the kernel ends the processes of a local Ray with the thread that started them.

    Args:
        address: Of a running cluster; None starts a local Ray.
        workers: Processors of the local Ray; None is all.

    Raises:
        ConfigError: If it does not start, or the cluster does not answer in time. In
            the latter case the thread still waits, and Ray cannot be used in this process.
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
        """Ends a local Ray, or the connection."""
        # Its native part takes its own handler of SIGTERM away, and ours with it.
        with signals.kept():
            ray.shutdown()
        self._end()

    def _end(self) -> None:
        self._over.set()
        if self._folder:
            remove(self._folder)

    def _live(self) -> None:
        try:
            _start(self._address, self._workers, self._folder)
        except BaseException as error:  # noqa: BLE001 - raised where the start is waited for
            self._error = error
        self._settled.set()
        self._over.wait()

    def _wait_for_start(self) -> None:
        started = time.monotonic()
        with signals.kept() as put_back, NativeStderr() as native:
            while not self._settled.wait(_LOOK_EVERY_S):
                put_back()
                if self._address is not None and time.monotonic() - started > _ANSWER_S:
                    raise _no_answer(self._address, native.lines())
        if self._error is not None:
            raise _explained(self._address, self._error) from self._error


def _start(address: str | None, workers: int | None, folder: Path | None) -> None:
    # Ray would otherwise print a line about its usage statistics, and send them.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What the user wants to hear of texgen would end Ray's own processes.
    os.environ.pop("PYTHONWARNINGS", None)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # Ray warns that it leaves SIGTERM alone outside the main thread, which is wanted.
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    quiet |= _without_current_folder(address)
    if address is None:
        # Ray itself would keep one in the home folder, which a container's user may not have.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # "local" even where RAY_ADDRESS names a cluster: that takes --ray-address auto.
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
    """Raises `ConfigError` where Ray could make none of its sockets and logs."""
    try:
        temporary_root()
    except ScratchError as error:
        message = f"Ray does not start: {error}; or use --no-ray"
        raise ConfigError(message) from error


def _without_current_folder(address: str | None) -> dict[str, Any]:
    """Options with which Ray does not put the driver's folder in front of its workers' path.

    `onnode` takes it away where it is; only, Ray itself imports Arrow before that.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ or (address or "").startswith(_CLIENT):
        # The job's own settings count, or Ray's client adds no folder.
        return {}
    config = JobConfig()
    # Ray's own name for a driver whose folder means nothing to its workers.
    config._client_job = True
    return {"job_config": config}


def _check_reachable(address: str) -> None:
    """Raises `OSError` or `ValueError` where nothing listens: sooner and plainer than Ray.

    Raises:
        ConfigError: If Ray's client is not installed, but needed.
    """
    if address == "auto":
        return
    if address.startswith(_CLIENT) and importlib.util.find_spec("grpc") is None:
        message = (
            f"--ray-address {address}: needs Ray's client; pip install 'ray[client]', or run on "
            "a node of the cluster and name it as host:port"
        )
        raise ConfigError(message)
    host, colon, port = address.removeprefix(_CLIENT).rpartition(":")
    if not colon:
        message = "neither auto nor host:port"
        raise ValueError(message)
    socket.create_connection((host.strip("[]"), int(port)), _REACH_S).close()


def _explained(address: str | None, error: BaseException) -> ConfigError:
    if isinstance(error, ConfigError):
        return error
    if isinstance(error, UnicodeEncodeError):
        return ConfigError(
            "Ray takes no command line whose bytes are not UTF-8; give paths by links with plain "
            "names, or use --no-ray"
        )
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if address is None:
        return ConfigError(f"Ray does not start: {reason}; use --no-ray")
    return _no_cluster(address, reason)


def _no_answer(address: str, native: list[str]) -> ConfigError:
    for line in native:
        _log.warning("Ray says: %s", line)
    reason = f"no answer in {_ANSWER_S:.0f} s"
    if native:
        reason += f", Ray says: {native[-1].rstrip('.')}"
    if "Unauthenticated" in reason:
        # To an address that it is given, Ray sends a token only in this mode.
        return ConfigError(
            f"--ray-address {address}: {reason}; set RAY_AUTH_MODE=token, with the cluster's "
            "token in ~/.ray/auth_token or RAY_AUTH_TOKEN"
        )
    if address == "auto" or address.startswith(_CLIENT):
        return _no_cluster(address, reason)
    # What listens there may well be a cluster: Ray waits for its own process on this machine.
    return ConfigError(
        f"--ray-address {address}: {reason}; start a cluster with `ray start --head`, or use "
        "--no-ray. If one is there, this machine must be one of its nodes: "
        f"`ray start --address {address} --num-cpus 0` makes it one"
    )


def _no_cluster(address: str, reason: str) -> ConfigError:
    named = os.environ.get("RAY_ADDRESS") if address == "auto" else None
    place = f"--ray-address {address}" + (f" (RAY_ADDRESS is {named})" if named else "")
    return ConfigError(
        f"{place}: {reason}; start a cluster with `ray start --head`, or use --no-ray"
    )
