#!/usr/bin/env bash
# Compares fresh textures with textures that are built once, on PACS, with views of 64 and 96 px:
#
#   bash pipelines/train/pacs_fresh.sh PACS WORK
#
# pacs.sh makes the runs in WORK/64 and WORK/96 and says which variables change them; here OPTIONS
# are more options for both sizes. By the rules of decision 28 in docs/decisions.md, seeds 0 to 2
# compare each kind of negatives with none, and
#
#   python benchmarks/pacs_runs.py benchmarks/pacs_runs.csv WORK/64 WORK/96
#
# adds the runs to the list of all runs, and prints the tables. The same command resumes.
set -euo pipefail
pacs=${1:?the folder of PACS}
work=${2:?a folder to work in}
here=$(dirname "$0")
more=${OPTIONS:-}
export RUNS=${RUNS:-none 1,texture 2,fresh 2} SEEDS=${SEEDS:-0 1 2}
OPTIONS=$more bash "$here/pacs.sh" "$pacs" "$work/64"
OPTIONS="--size 96 --patch-range 7 31 $more" bash "$here/pacs.sh" "$pacs" "$work/96"
