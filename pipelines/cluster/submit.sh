# shellcheck shell=bash
# Functions for the scripts in this folder. Source this file; it runs nothing itself.

# absolute NAME PLACE: refuses a relative path, because the head node would resolve it.
absolute() {
    case $2 in
    /* | s3://*) ;;
    *)
        echo "$1=$2: give a whole path that every node sees, or s3://bucket/prefix" >&2
        return 2
        ;;
    esac
}

# submit COMMAND...: runs the command as a job on a Ray cluster, shows its log, and returns 0 if it
# succeeded.
#
# RAY_API_SERVER_ADDRESS is the address of the cluster's dashboard. The default,
# http://127.0.0.1:8265, is right on the head node itself, and where `ray dashboard`,
# `kubectl port-forward` or `ssh -L` forward the port.
#
# The job has no runtime environment: texgen is installed on the nodes, and SRC and OUT are absolute
# paths, so nothing is uploaded and a node that joins later starts at once. The entrypoint asks for
# no resources: Ray then runs it on the head node, and not on a worker that may vanish.
submit() {
    local address=${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265} job
    if ! ray job list --address "$address" >/dev/null 2>&1; then
        echo "no Ray answers at $address: set RAY_API_SERVER_ADDRESS to its dashboard, and" \
            "RAY_AUTH_MODE=token where it asks for one (docs/cluster.md)" >&2
        return 2
    fi
    job=raysubmit_texgen_$(date +%s)_$$_$RANDOM
    trap 'echo "the job is still running: ray job logs --follow $job, or ray job stop $job" >&2; exit 130' INT
    ray job submit --address "$address" --submission-id "$job" -- "$@"
    trap - INT
    # `ray job submit` returns success for a job that was stopped.
    case $(ray job status --address "$address" "$job" 2>&1) in
    *STOPPED*)
        echo "job $job was stopped; run the same command again to resume" >&2
        return 1
        ;;
    esac
}

# submit_build SRC OUT OPTION...: submits the build, and then a check of its output.
submit_build() {
    local src=$1 out=$2 endpoint=()
    shift 2
    absolute SRC "$src"
    absolute OUT "$out"
    # A job does not see this shell's environment.
    if [ -n "${AWS_ENDPOINT_URL_S3:-}" ]; then
        endpoint=(--s3-endpoint "$AWS_ENDPOINT_URL_S3")
    fi
    submit texgen build --src "$src" --out "$out" --ray-address auto ${endpoint[@]+"${endpoint[@]}"} "$@"
    submit texgen verify "$out" ${endpoint[@]+"${endpoint[@]}"}
}
