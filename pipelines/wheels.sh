#!/usr/bin/env bash
# Makes the source distribution and a portable wheel for each target in dist/:
#
#   bash pipelines/wheels.sh [TARGET ...]     by default this machine's own target
#
# TARGET is a name that rustc knows, such as aarch64-unknown-linux-gnu; `rustup target add TARGET`
# installs its standard library. Linux wheels are linked by zig, which PyPI ships, against the
# symbols of glibc 2.17, the oldest that Rust supports, so that they run on every distribution that
# has Python 3.10. Needs Python >= 3.10 and Rust >= 1.89.
set -euo pipefail
cd "$(dirname "$0")/.."
. pipelines/environment.sh
check_cargo
[ $# -gt 0 ] || set -- "$(rustc -vV | sed -n 's/^host: //p')"

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$(find_python)" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check 'maturin[zig]>=1.9,<2'
PATH=$tools/bin:$PATH

# Wheels of another version or target would be taken for these.
rm -rf dist
maturin sdist --out dist
for target in "$@"; do
    case $target in
        *-linux-*) portable=(--zig --compatibility manylinux_2_17) ;;
        *) portable=() ;;
    esac
    maturin build --release --locked --target "$target" ${portable[@]+"${portable[@]}"} --out dist
done
ls -l dist
