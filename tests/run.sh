#!/usr/bin/env bash
# Every check of the project. Needs Python >= 3.10 and Rust >= 1.89; sets up
# everything else in .venv. Arguments go to pytest: bash tests/run.sh -k keys
set -euo pipefail
cd "$(dirname "$0")/.."
. pipelines/environment.sh

# Upstream's program, which the engines are compared with. It compiles while pip downloads.
upstream=""
if ! [ -x .venv/bin/texture-synthesis ]; then
    check_cargo
    cargo install texture-synthesis-cli --version 0.8.3 --locked --quiet --root .venv &
    upstream=$!
fi
# Most of what is installed here is never imported, and Python compiles the rest when it is.
PIP_NO_COMPILE=1 install_into .venv '.[dev,train]'
[ -z "$upstream" ] || wait "$upstream"
export PATH="$PWD/.venv/bin:$PATH"

step() {
    echo "== $*"
    "$@"
}

step ruff check .
step ruff format --check .
step mypy
step lint-imports --no-logo
cd rust_bridge
step cargo fmt --all --check
step cargo clippy --release --locked --all-targets --quiet -- -D warnings
step cargo test --release --locked --quiet
# Fuzzing itself needs more than CI has; that it still fits the crates is seen without.
step cargo fmt --manifest-path fuzz/Cargo.toml --check
step cargo clippy --manifest-path fuzz/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" \
    --release --locked --no-default-features --quiet -- -D warnings
cd ..
if [ $# -gt 0 ]; then
    step pytest "$@"
else
    # Tests of single parts run on all processors. Those of whole builds, clusters and faults run two
    # at a time: each starts many processes, and waits most of the time.
    step pytest --numprocesses auto --dist loadfile -m 'not slow and not whole' tests
    step pytest --numprocesses 2 --dist loadfile -m 'not slow and whole' tests
fi
