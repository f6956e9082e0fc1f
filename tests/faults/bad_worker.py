"""An engine process that misbehaves: the real worker behind a filter.

Run in place of the worker (``TEXGEN_WORKER``). ``BAD_WORKER`` is JSON:

- ``mode``: what happens to a chosen sample: ``exit``, ``hang``, ``garbage``, ``half``,
  ``flood`` or ``slow``; or, for the handshake, ``version``, ``silent`` or ``dead``.
- ``one_in``: a sample is chosen where its seed is divisible by this.
- ``once``: a folder; with it only the first try of a chosen sample misbehaves.
- ``worker``: the real worker.
"""

from __future__ import annotations

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
    if seed % SETTINGS.get("one_in", 1):
        return False
    if "once" not in SETTINGS:
        return True
    try:
        (Path(SETTINGS["once"]) / str(seed)).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def misbehave(answer: bytes) -> None:
    out = sys.stdout.buffer
    if MODE == "exit":
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os._exit(3)
    elif MODE == "hang":
        time.sleep(3600)
    elif MODE == "garbage":
        write_frame(out, b"\xff" * 100)
    elif MODE == "flood":
        while True:
            out.write(b"\xff" * 65536)
    elif MODE == "half":
        out.write(struct.pack("<I", len(answer)) + answer[: len(answer) // 2])
        out.flush()
        os._exit(0)
    elif MODE == "slow":
        time.sleep(SETTINGS["seconds"])
        write_frame(out, answer)
    else:
        raise ValueError(MODE)


def main() -> None:
    if MODE == "dead":
        sys.exit("cannot load a library")
    if MODE == "silent":
        time.sleep(3600)
    arguments = sys.argv[1:]
    arguments[arguments.index("--parent") + 1] = str(os.getpid())
    pipe = subprocess.PIPE
    real = subprocess.Popen([SETTINGS["worker"], *arguments], stdin=pipe, stdout=pipe)
    hello = read_frame(real.stdout)
    if MODE == "version":
        hello = re.sub(rb'"protocol":\d+', b'"protocol":99', hello)
    write_frame(sys.stdout.buffer, hello)
    while True:
        job = read_frame(sys.stdin.buffer)
        write_frame(real.stdin, job)
        answer = read_frame(real.stdout)
        if chosen(job):
            misbehave(answer)
        else:
            write_frame(sys.stdout.buffer, answer)


if __name__ == "__main__":
    main()
