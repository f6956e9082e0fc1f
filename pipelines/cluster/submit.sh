# shellcheck shell=bash
# Sourced by the scripts beside it; defines functions, does nothing.

# absolute NAME PLACE: refuses a relative path, which would be looked for on the head node.
absolute() {
    case $2 in
    /* | s3://*) ;;
    *)
        echo "$1=$2: give a whole path that every node sees, or s3://bucket/prefix" >&2
        return 2
        ;;
    esac
}

# submit COMMAND...: runs it as a job on a Ray cluster, shows its log, ends with its success.
#
# The cluster is the one whose dashboard is at RAY_API_SERVER_ADDRESS; http://127.0.0.1:8265 is the
# head node itself, or what `ray dashboard`, `kubectl port-forward` or `ssh -L` bring there.
#
# No runtime environment: texgen is installed on the nodes, and SRC and OUT are whole paths, so that
# nothing is uploaded and a node that joins later starts at once. No resources for the entrypoint:
# Ray then runs it on the head node, and not on a worker that may vanish.
submit() {
    local address=${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265} job
    if ! ray job list --address "$address" >/dev/null 2>&1; then
        echo "no Ray answers at $address: set RAY_API_SERVER_ADDRESS to its dashboard, and" \
            "RAY_AUTH_MODE=token where it asks for one (docs/cluster.md)" >&2
        return 2
    fi
    job=raysubmit_texgen_$(date +%s)_$$_$RANDOM
    trap 'echo "the job goes on: ray job logs --follow $job, or ray job stop $job" >&2; exit 130' INT
    ray job submit --address "$address" --submission-id "$job" -- "$@"
    trap - INT
    # One that was stopped counts as a success there.
    case $(ray job status --address "$address" "$job" 2>&1) in
    *STOPPED*)
        echo "job $job was stopped; the same command goes on" >&2
        return 1
        ;;
    esac
}

# submit_build SRC OUT OPTION...: the build, and a check of what it made.
submit_build() {
    local src=$1 out=$2 endpoint=()
    shift 2
    absolute SRC "$src"
    absolute OUT "$out"
    # Jobs do not see this shell's environment.
    if [ -n "${AWS_ENDPOINT_URL_S3:-}" ]; then
        endpoint=(--s3-endpoint "$AWS_ENDPOINT_URL_S3")
    fi
    submit texgen build --src "$src" --out "$out" --ray-address auto ${endpoint[@]+"${endpoint[@]}"} "$@"
    submit texgen verify "$out" ${endpoint[@]+"${endpoint[@]}"}
}
