#!/usr/bin/env bash
# ImageNet-100's textures: the paper's 100 classes of ILSVRC-2012, 130,000 photographs.
# Killed, it goes on where it stopped: run the same line again.
#
#   bash pipelines/cluster/imagenet100.sh
#
# Change, here or in front of the line (SRC=… OUT=… bash …): what is read and what is written, the
# same for every node: folders of a shared file system, or s3://bucket/prefix. Options that follow
# go to `texgen build`. docs/cluster.md says what a cluster needs.
set -euo pipefail
SRC=${SRC:-/shared/imagenet}
OUT=${OUT:-/shared/imagenet100-texture}

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/submit.sh"
submit_build "$SRC" "$OUT" --name imagenet100-texture --classes imagenet100 "$@"
