#!/usr/bin/env bash
# Every check of the project. Needs Python >= 3.10 and Rust >= 1.89; sets up
# everything else in .venv. Arguments go to pytest: bash tests/run.sh -k keys
set -euo pipefail
cd "$(dirname "$0")/.."
. pipelines/environment.sh

check_cargo
# Upstream's program, which the engines are compared with, and what Rust's checks below need. pip
# downloads and unpacks with one processor, so that another one compiles meanwhile. What fails here
# says so in its own step.
compile_ahead() {
    [ -x .venv/bin/texture-synthesis ] ||
        cargo install texture-synthesis-cli --version 0.8.3 --locked --quiet --root .venv
    local check
    for check in build "clippy --all-targets" "test --no-run"; do
        # shellcheck disable=SC2086 # Words of a command.
        (cd rust_bridge && cargo $check --release --locked --quiet) >/dev/null 2>&1 || true
    done
}
compile_ahead &
ahead=$!
# Most of what is installed here is never imported, and Python compiles the rest when it is.
PIP_NO_COMPILE=1 install_into .venv '.[dev,train]'
wait "$ahead"
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
