#!/usr/bin/env bash
# Tests whether a cluster works: builds the first 100 images of each split, in shards of 10.
# If the job is killed, run the same command again: it resumes.
#
#   bash pipelines/cluster/smoke.sh
#
# Set SRC and OUT here or in front of the command (SRC=… OUT=… bash …). They must be the same for
# every node: folders of a shared file system, or s3://bucket/prefix. Further arguments are passed
# to `texgen build`. docs/cluster.md describes what a cluster needs.
set -euo pipefail
SRC=${SRC:-/shared/imagenet}
OUT=${OUT:-/shared/smoke-texture}

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/submit.sh"
submit_build "$SRC" "$OUT" --name smoke-texture --limit 100 --samples-per-shard 10 "$@"
