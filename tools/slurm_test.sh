#!/usr/bin/env bash
# Tests under slurm, one process per GPU:
#   tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]
# Environment: GPUS (8), GPUS_PER_NODE (8; 0 for CPUs alone), CPUS_PER_TASK (5), SRUN_ARGS; PYTHON.
set -euo pipefail
if [ $# -lt 4 ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
partition=$1 name=$2 config=$3 checkpoint=$4
shift 4
gpus=${GPUS:-8} per_node=${GPUS_PER_NODE:-8}
here=$(cd "$(dirname "$0")" && pwd)
devices=(--gres="gpu:$per_node" --ntasks-per-node="$per_node")
[ "$per_node" -gt 0 ] || devices=()
# shellcheck disable=SC2086  # SRUN_ARGS are several
exec srun --partition="$partition" --job-name="$name" --ntasks="$gpus" \
    ${devices[@]+"${devices[@]}"} --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$here/test.py" "$config" "$checkpoint" --launcher slurm "$@"
