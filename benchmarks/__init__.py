"""What the connector service costs, beside the official one and beside the limit.

    python -m benchmarks --ours-python P --peer-python P [--only cpu,start] [--quick] [--json]

Three contenders serve the same trivial connector:

    bare    the limit: a grpc.aio server that does by hand what one connector needs
    ours    `flyte-connectors serve`
    peer    the official `flyte[connector]` service, in an environment of its own

Every round measures all of them, another one first each time, so that whatever else the machine
does meets each of them alike; reported are the median of the rounds' ratios and their range.

    __main__          arguments
    rounds            who is measured when
    contender         the three: interpreter and command line
    server_process    start one, read its CPU time and memory, end it
    http2_load        a load client that costs less than any of the servers
    payloads          the requests, and what the replies must say
    report            medians, ratios, targets; as a table or JSON

    cpu_per_request   CPU time of the four unary calls
    blocking          latency beside a connector that blocks the event loop
    logs              CPU time of streaming log lines
    startup           import; process start to SERVING; idle memory
    footprint         size of a fresh installation
    local_runs        the local executor: one run, a thousand at once, a hundred thousand polled

    servers/          the trivial connector for each contender
    local/            the local runs for each contender
"""
