"""An engine process that misbehaves: the real worker behind a filter.

It runs in place of the worker (``TEXGEN_WORKER``). ``BAD_WORKER`` is JSON:

- ``mode``: what happens to a chosen sample: ``exit``, ``hang``, ``garbage``, ``half``,
  ``flood``, ``slow``, ``meet`` (the answer waits in ``folder`` for that of another engine) or
  ``held`` (once there is a file in ``folder``, the answer waits until ``gate`` exists).
  Of several modes, separated by commas, the seed of the sample chooses one. Modes for the
  handshake are ``version``, ``silent`` and ``dead``.
- ``one_in``: a sample is chosen where its seed is divisible by this.
- ``seed``: only the sample with this seed is chosen.
- ``once``: a folder; with it only the first try of a chosen sample misbehaves.
- ``starts``: a folder, ``first`` and ``last``: only these starts, counted over all processes,
  misbehave in the handshake.
- ``worker``: the real worker.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

SETTINGS = json.loads(os.environ["BAD_WORKER"])
MODE = SETTINGS["mode"]
HANDSHAKE = {"version", "silent", "dead"}


def read_frame(stream) -> bytes:
    prefix = stream.read(4)
    if len(prefix) < 4:
        sys.exit(0)
    return stream.read(struct.unpack("<I", prefix)[0])


def write_frame(stream, frame: bytes) -> None:
    stream.write(struct.pack("<I", len(frame)) + frame)
    stream.flush()


def chosen(frame: bytes) -> bool:
    seed = struct.unpack_from("<Q", frame, 9)[0]
    if seed % SETTINGS.get("one_in", 1) or seed != SETTINGS.get("seed", seed):
        return False
    if "once" not in SETTINGS:
        return True
    try:
        (Path(SETTINGS["once"]) / str(seed)).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def this_start() -> bool:
    """Whether the handshake of this start misbehaves."""
    if "starts" not in SETTINGS:
        return True
    for number in itertools.count(1):
        try:
            (Path(SETTINGS["starts"]) / str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        return SETTINGS["first"] <= number <= SETTINGS["last"]
    return False


def wait(mode: str) -> None:
    if mode == "slow":
        time.sleep(SETTINGS["seconds"])
    elif mode == "meet":
        (Path(SETTINGS["folder"]) / str(os.getpid())).touch()
        while len([*Path(SETTINGS["folder"]).iterdir()]) < 2:
            time.sleep(0.002)
    elif mode == "held":
        while any(Path(SETTINGS["folder"]).glob("*")) and not Path(SETTINGS["gate"]).exists():
            time.sleep(0.05)
    else:
        raise ValueError(mode)


def misbehave(job: bytes, answer: bytes) -> None:
    modes = MODE.split(",")
    seed = struct.unpack_from("<Q", job, 9)[0]
    mode = modes[seed // SETTINGS.get("one_in", 1) % len(modes)]
    out = sys.stdout.buffer
    if mode == "exit":
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os._exit(3)
    elif mode == "hang":
        time.sleep(3600)
    elif mode == "garbage":
        write_frame(out, b"\xff" * 100)
    elif mode == "flood":
        while True:
            out.write(b"\xff" * 65536)
    elif mode == "half":
        out.write(struct.pack("<I", len(answer)) + answer[: len(answer) // 2])
        out.flush()
        os._exit(0)
    else:
        wait(mode)
        write_frame(out, answer)


def main() -> None:
    bad_start = this_start()
    if MODE == "dead" and bad_start:
        sys.exit("cannot load a library")
    if MODE == "silent" and bad_start:
        time.sleep(3600)
    arguments = sys.argv[1:]
    arguments[arguments.index("--parent") + 1] = str(os.getpid())
    pipe = subprocess.PIPE
    real = subprocess.Popen([SETTINGS["worker"], *arguments], stdin=pipe, stdout=pipe)
    hello = read_frame(real.stdout)
    if MODE == "version" and bad_start:
        hello = re.sub(rb'"protocol":\d+', b'"protocol":99', hello)
    write_frame(sys.stdout.buffer, hello)
    while True:
        job = read_frame(sys.stdin.buffer)
        write_frame(real.stdin, job)
        answer = read_frame(real.stdout)
        if MODE not in HANDSHAKE and chosen(job):
            misbehave(job, answer)
        else:
            write_frame(sys.stdout.buffer, answer)


if __name__ == "__main__":
    main()
