#!/usr/bin/env bash
# Builds a small data set from real images that ship in PyPI wheels.
# It needs Python >= 3.10 and Rust >= 1.89, and sets up everything else in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. pipelines/environment.sh
install_into .venv '.[demo]'

rm -rf demo
.venv/bin/python pipelines/demo_images.py demo/images
.venv/bin/texgen build --src demo/images --out demo/shards --name texgen-demo
.venv/bin/texgen verify demo/shards
.venv/bin/texgen inspect demo/shards --src demo/images --sheet demo/sheet.png
echo "Look at demo/sheet.png: images, their two patches, their textures."
echo "To build your own: . .venv/bin/activate; texgen build --src YOUR_IMAGES --out YOUR_SHARDS"
