"""Tasks whose jobs the tests look at."""

from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask


def job(name: str, script: str, seconds: float = 300, **interface: object) -> BatchJobTask:
    config = BatchJobConfig(script=script, timeout_seconds=seconds)
    return BatchJobTask(name=name, plugin_config=config, **interface)


count = job(
    "count",
    'echo "counting $BATCH_JOB_INPUT_WORD"; echo "odd <b>markup</b>" >&2; echo \'{"number": 42}\' > "$BATCH_JOB_OUTPUTS"',
    inputs={"word": str},
    outputs={"number": int},
)

paced = job("paced", 'for i in $(seq 1 600); do echo "line $i at $(date +%s%N)"; sleep 0.2; done')

long = job("long", 'seq -f "line %06g of a long log" 1 100000; echo "the end"')

steady = job(
    "steady",
    """
    i=0
    while [ $i -lt "$BATCH_JOB_INPUT_LINES" ]; do
        i=$((i + 1)); echo "line $i of an hour, $(date +%s%N)"; sleep "$BATCH_JOB_INPUT_PAUSE"
    done""",
    seconds=7200,
    inputs={"lines": int, "pause": float},
)

sleeper = job("sleeper", "echo asleep; sleep 300")

hostile = job(
    "hostile",
    """printf '%s\\n' '<img src=x onerror=alert(1)>' '</script><script>document.title="taken"</script>' \
    "$(printf '\\033[31mred\\033[0m')" '{{ 7 * 7 }}' "$(head -c 30000 /dev/zero | tr '\\0' x)"; sleep 300""",
)

failing = job("failing", "echo broken >&2; exit 3")

flood = job(
    "flood",
    'sleep 2; for i in $(seq 1 100); do seq -f "flood %g" $((i * 1000 - 999)) $((i * 1000)); sleep 0.05; done; sleep 300',
)

forecast = job(
    "forecast",
    """
    echo "reading 48,211 rows of eu-west"
    echo "holding out 20 % for validation"
    for i in $(seq 1 600); do
        echo "epoch $i of 600: loss 0.$((9000 - i * 11)), validation 0.$((9100 - i * 9))"
        [ $((i % 9)) = 0 ] && echo "learning rate lowered to 0.00$((99 - i / 9))" >&2
        head -c 3000000 /dev/urandom | md5sum > /dev/null
        sleep 0.4
    done""",
    inputs={"region": str},
)
