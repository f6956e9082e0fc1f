#!/usr/bin/env bash
# A look whether a cluster works: the first 100 photographs of each split, in shards of 10.
# Killed, it goes on where it stopped: run the same line again.
#
#   bash pipelines/cluster/smoke.sh
#
# Change, here or in front of the line (SRC=… OUT=… bash …): what is read and what is written, the
# same for every node: folders of a shared file system, or s3://bucket/prefix. Options that follow
# go to `texgen build`. docs/cluster.md says what a cluster needs.
set -euo pipefail
SRC=${SRC:-/shared/imagenet}
OUT=${OUT:-/shared/smoke-texture}

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/submit.sh"
submit_build "$SRC" "$OUT" --name smoke-texture --limit 100 --samples-per-shard 10 "$@"
