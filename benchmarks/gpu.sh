#!/usr/bin/env bash
# Measures all that a graphics card changes, in at most eight minutes, and writes OUT/gpu.json:
#
#   bash benchmarks/gpu.sh IMAGES OUT              # on a machine with one or several cards
#   bash benchmarks/gpu.sh IMAGES OUT --software   # on Mesa's software Vulkan, with small numbers
#
# It prints the machine and its versions, whether 64 textures have the processor's bytes, textures a
# second by batch, the rate of whole builds, and training steps a second without NS, with built and
# with fresh textures of 224, 96 and 64 px, with --amp and --compile, and on all cards (NCCL). The
# parts come by importance, each with its share of the time; what one leaves is the next one's. A part
# that fails or is cut off keeps what it has measured, and says what it left out; without Vulkan the
# processors are measured all the same. texgen must be installed (`pip install '.[train]'`), for the
# Python of .venv or of the variable PYTHON. No setting of a card is changed. An earlier run's folders
# in OUT are deleted. `python benchmarks/gpu --help` lists the options that change sizes and numbers.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
python=${PYTHON:-$here/../.venv/bin/python}
[ -x "$(command -v "$python")" ] || python=python3
if ! "$python" -c 'import texgen' 2>/dev/null; then
    echo "gpu.sh: no texgen in $python: pip install '.[train]', or name another Python: PYTHON=..." >&2
    exit 2
fi
exec "$python" "$here/gpu" "$@"
