from __future__ import annotations

import hashlib

import pytest

from texgen.core.hashing import sha256_file


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 21) + 7])
def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path, size):
    data = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "file"
    path.write_bytes(data[:size])
    assert sha256_file(path) == hashlib.sha256(data[:size]).hexdigest()
