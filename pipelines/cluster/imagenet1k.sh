#!/usr/bin/env bash
# The whole of ILSVRC-2012: 1.33 million textures, some 70 GB, 27 core-hours.
# Killed, it goes on where it stopped: run the same line again.
#
#   bash pipelines/cluster/imagenet1k.sh
#
# Change, here or in front of the line (SRC=… OUT=… bash …): what is read and what is written, the
# same for every node: folders of a shared file system, or s3://bucket/prefix. Options that follow
# go to `texgen build`. docs/cluster.md says what a cluster needs.
set -euo pipefail
SRC=${SRC:-/shared/imagenet}
OUT=${OUT:-/shared/imagenet-texture}

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/submit.sh"
submit_build "$SRC" "$OUT" --name imagenet-texture "$@"
