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

# find_wheel: prints the wheel that TEXGEN_WHEEL names, else the newest of dist/ for this machine.
find_wheel() {
    local system=linux newest="" file
    if [ -n "${TEXGEN_WHEEL:-}" ]; then
        if ! [ -f "$TEXGEN_WHEEL" ]; then
            echo "texgen: TEXGEN_WHEEL names no file: $TEXGEN_WHEEL" >&2
            return 1
        fi
        echo "$TEXGEN_WHEEL"
        return
    fi
    if [ "$(uname -s)" = Darwin ]; then system=macosx; fi
    for file in dist/texgen_shards-*"$system"*"_$(uname -m).whl"; do
        if [ -f "$file" ] && { [ -z "$newest" ] || [ "$file" -nt "$newest" ]; }; then
            newest=$file
        fi
    done
    echo "$newest"
}

# install_into VENV REQUIREMENT: creates the environment if it is missing, and installs into it.
# REQUIREMENT is a wheel or this checkout, which needs Rust, with extras in brackets.
install_into() {
    local python
    case $2 in *.whl*) ;; *) check_cargo || return 1 ;; esac
    if ! [ -x "$1/bin/pip" ]; then
        python=$(find_python)
        "$python" -m venv "$1"
    fi
    echo "installing ${2%%[*} into $1 (the first time takes a few minutes)"
    "$1/bin/pip" install --quiet --disable-pip-version-check "$2"
    case $2 in *.whl*)
        # pip keeps an installed texgen of the same version, which may be another code.
        "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall \
            "${2%%[*}"
        ;;
    esac
}
