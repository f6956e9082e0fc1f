#!/usr/bin/env bash
# Runs the trainer on PACS on a CPU, from images to plots:
#
#   bash pipelines/train/pacs.sh PACS WORK
#
# PACS holds photo/{train,val}/CLASS and ood/{art_painting,cartoon,sketch}/CLASS. The script builds
# textures, trains SimCLR without NS, with patches and with textures, and evaluates each run;
# WORK/report.html shows all results. A run takes 5 to 15 minutes of one processor. The same command
# resumes where it was stopped. These variables change what it does:
#   RUNS     "NEGATIVES ALPHA" pairs separated by commas; NEGATIVES are none, patch, texture, or
#            fresh for textures that are made while training runs
#   SEEDS    seeds of the runs
#   STEPS    training steps of each run
#   K        neighbours of the k-nearest-neighbour classifier
#   OPTIONS  more options of texgen train, for every run
#   BUILD    more options of texgen build
# Other OPTIONS or BUILD need another WORK.
set -euo pipefail
pacs=$(realpath "${1:?the folder of PACS}")
work=${2:?a folder to work in}
here=$(realpath "$(dirname "$0")")
RUNS=${RUNS:-none 1,patch 1,patch 2,patch 3,texture 1,texture 2,texture 3}
SEEDS=${SEEDS:-0 1 2}
STEPS=${STEPS:-616}
K=${K:-200}
read -ra options <<<"--quiet ${OPTIONS:-}"
read -ra build <<<"--no-ray ${BUILD:-}"
python=${PYTHON:-python3}
# Each run uses one thread: at these sizes a second one brings little.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
texgen() { "$python" -m texgen "$@"; }

mkdir -p "$work/results"
cd "$work"
"$python" "$here/pacs_images.py" "$pacs" photographs
# 41 of 96 px is the proportion of the paper's 96 px patches to its 224 px textures.
texgen build --src photographs/photo --out textures --size 96 --patch-size 41 --small-patch-size 41 "${build[@]}"

# evaluate RUN: makes the results of the run that do not exist yet.
evaluate() {
    local run=runs/$1 out=results/$1
    [ -e "$out-linear.json" ] || texgen eval linear "$run" --cached --quiet --out "$out-linear.json"
    [ -e "$out-knn.json" ] || texgen eval knn "$run" --k "$K" --out "$out-knn.json"
    [ -e "$out-ood.json" ] || texgen eval ood "$run" --linear "$out-linear.json" --val-split val \
        --set art=photographs/ood/art_painting --set cartoon=photographs/ood/cartoon \
        --set sketch=photographs/ood/sketch --out "$out-ood.json"
    [ -e "$out-similarity.json" ] ||
        texgen analyze similarity "$run" --textures textures --out "$out-similarity.json"
    [ -e "$out-texture-accuracy.json" ] ||
        texgen analyze texture-accuracy "$run" --linear "$out-linear.json" --textures textures \
            --out "$out-texture-accuracy.json"
}

for seed in $SEEDS; do
    while read -r negatives alpha; do
        name=$negatives-$alpha-$seed
        case $negatives in
            texture) with=(--negatives texture --textures textures) ;;
            # As large, and of patches as large, as those that are built above.
            fresh) with=(--negatives texture --fresh --texture-size 96 --patch-size 41) ;;
            *) with=(--negatives "$negatives") ;;
        esac
        texgen train --config "$here/pacs.toml" --src photographs/photo --out "runs/$name" \
            --alpha "$alpha" --seed "$seed" --max-steps "$STEPS" "${with[@]}" "${options[@]}"
        evaluate "$name"
    done < <(tr ',' '\n' <<<"$RUNS")
done
texgen analyze sweep results --over alpha --metric linear --metric ood --metric texture-accuracy \
    --metric positive --metric rel-patch --metric rel-texture --out results/sweep.json
texgen analyze report results --html report.html
