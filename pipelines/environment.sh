# shellcheck shell=bash
# Functions for scripts that set up an environment. Source this file; it runs nothing itself.

# find_python: prints the name of a Python that texgen runs on, or an error that tells what to install.
find_python() {
    local name
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.10; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' \
            2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "texgen: no Python >= 3.10 with venv found; install one, or name it: PYTHON=..." >&2
    return 1
}

# check_cargo: fails with a hint if Rust is missing or too old.
check_cargo() {
    local least found
    least=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' rust_bridge/Cargo.toml)
    if ! command -v cargo >/dev/null; then
        echo "texgen: no Rust toolchain (cargo) found; install one from https://rustup.rs" >&2
        return 1
    fi
    found=$(cargo --version | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p')
    if [ "${found:-$least}" -lt "$least" ]; then
        echo "texgen: cargo is 1.$found, but texgen needs Rust 1.$least or newer: rustup update" >&2
        return 1
    fi
}

# install_into VENV REQUIREMENT: creates the environment if it is missing, and installs into it.
install_into() {
    local python
    check_cargo || return 1
    if ! [ -x "$1/bin/pip" ]; then
        python=$(find_python)
        "$python" -m venv "$1"
    fi
    echo "installing texgen into $1 (the first time takes a few minutes)"
    "$1/bin/pip" install --quiet --disable-pip-version-check "$2"
}
