#!/usr/bin/env bash
# Builds the textures of ImageNet-100: the paper's 100 classes of ILSVRC-2012, 130,000 images.
# If the job is killed, run the same command again: it resumes.
#
#   bash pipelines/cluster/imagenet100.sh
#
# Set SRC and OUT here or in front of the command (SRC=… OUT=… bash …). They must be the same for
# every node: folders of a shared file system, or s3://bucket/prefix. Further arguments are passed
# to `texgen build`. docs/cluster.md describes what a cluster needs.
set -euo pipefail
SRC=${SRC:-/shared/imagenet}
OUT=${OUT:-/shared/imagenet100-texture}

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/submit.sh"
submit_build "$SRC" "$OUT" --name imagenet100-texture --classes imagenet100 "$@"
