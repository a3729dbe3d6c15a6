# What a batch job of Flyte runs on its node. Set before: folder, seconds, grace, modules, directory, launcher, secrets.
#
# It starts the job's command at most once, whatever happens to Slurm's controller; limits its time; and
# writes how it ended, because Slurm forgets that. Exit codes of its own: see `script.py`.

id=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}
index=${SLURM_ARRAY_TASK_ID:-0}
restarts=${SLURM_RESTART_COUNT:-0}
host=$(uname -n)

: "${PATH:=/usr/local/bin:/usr/bin:/bin}" "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
: "${USER:=$(id -un)}" "${LOGNAME:=$USER}"
export PATH HOME USER LOGNAME

cd "$folder" 2>/dev/null || exit 113

# The owner is the id that was released. A network file system may show its link late.
for _ in 1 2 3 4 5; do
    owners=(owner-*)
    [ -L "${owners[-1]}" ] && break
    sleep 1
done
[ "$(readlink "${owners[-1]}")" = "$id" ] || exit 114
if [ -L cancelled ] || [ -e verdict.json ]; then
    [ -e "$index/outcome" ] || exit 114
fi

mkdir -p "$index/work" && cd "$index" || exit 113
if ! ln -sn "$id:$restarts:$host:$$" begun 2>/dev/null; then
    IFS=: read -r its_id its_restarts its_host its_pid <<<"$(readlink begun)"
    [ "$its_id" = "$id" ] || exit 114
    # The controller lost its memory and starts the job again: the first start counts, if it is alive or has ended.
    if [ "$its_host" = "$host" ]; then
        while [ ! -e outcome ] && [ "$its_pid" != $$ ] && kill -0 "$its_pid" 2>/dev/null; do sleep 1; done
    fi
    if [ -e outcome ]; then
        exit "$(sed -n 's/^code=//p' outcome)"
    fi
    [ "$its_restarts" = "$restarts" ] && [ "$its_host" != "$host" ] && exit 115
    echo "[started again by Slurm on $host]" >>stderr
    ln -sfn "$id:$restarts:$host:$$" begun
fi
rm -rf outputs.json

began=$(date +%s)
cause=ended
message=

finish() {
    times >cpu # not in a pipe: a shell of its own would have used nothing
    {
        echo "code=$1"
        echo "cause=$cause"
        echo "began=$began"
        echo "ended=$(date +%s)"
        echo "host=$host"
        echo "cpu=$(tail -n 1 cpu)"
        echo "message=$message"
    } >outcome.new && mv -f outcome.new outcome
    exit "$1"
}

fail() {
    message=$1
    cause=setup
    echo "$1" >>stderr
    finish 116
}

secret() { # a variable, the name of a secret, and the command that prints it
    local variable=$1 name=$2 value
    shift 2
    value=$("$@" 2>>stderr) && [ -n "$value" ] || fail "custom.secrets.$variable: '$1' has no secret '$name' on node $host"
    export "$variable=$value" BATCH_JOB_SECRETS="${BATCH_JOB_SECRETS:+$BATCH_JOB_SECRETS }$variable"
}

if [ -n "$modules" ]; then
    type module >/dev/null 2>&1 || . /etc/profile >/dev/null 2>&1
    type module >/dev/null 2>&1 || fail "custom.modules: node $host has no environment modules"
    # shellcheck disable=SC2086  # the words are separate modules
    for name in $modules; do
        module load "$name" 2>>stderr
        case ":$LOADEDMODULES:" in
            *":$name:"* | *":$name/"*) ;;
            *) fail "custom.modules: '$name' can't be loaded on node $host" ;;
        esac
    done
fi
unset BATCH_JOB_SECRETS
eval "$secrets"
run=$PWD
cd "${directory:-$run/work}" 2>/dev/null || { cd "$run"; fail "custom.working_directory: '$directory' is not on node $host"; }

export BATCH_JOB_OUTPUTS="$run/outputs.json" BATCH_JOB_INPUTS="$folder/inputs.json" BATCH_JOB_INDEX="$index"

started=$SECONDS
# shellcheck disable=SC2086  # the launcher is a program with its arguments, or nothing
timeout --foreground --kill-after="$grace" "$seconds" \
    $launcher /bin/bash "$folder/command" >>"$run/stdout" 2>>"$run/stderr" </dev/null &
body=$!
trap 'cause=cancelled; kill -TERM $body 2>/dev/null' TERM

wait $body
code=$?
while [ $cause = cancelled ] && kill -0 $body 2>/dev/null; do # a signal ended the waiting, not the command
    wait $body
    code=$?
done
trap '' TERM
case $code in
124 | 137) [ $((SECONDS - started + 1)) -ge "${seconds%.*}" ] && [ $cause = ended ] && cause=time ;;
esac
cd "$run" || exit 113
finish $code
