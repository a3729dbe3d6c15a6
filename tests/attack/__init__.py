"""A hostile test bed: what must never happen to a service, tried on a real one.

    parts                                   the list of them, each a module with `play`
    fuzz <- fuzz_requests, fuzz_values, fuzz_sockets, envelopes, honest_connector, innocent_poller
    leaks <- canaries, leaky_connector
    walls <- attempts, escapes, spies, namespace
    trees <- survivors, processes
    steps <- stepwise
    spools <- spool_damages, mounts
    creates <- tests.backend, the model of Flyte's back end
    freezes <- blocking_connector
    drains <- tests.backend.rush
    __main__ -> setting, report             the command line, and the table of what fell

`python -m tests.attack --help` lists the parts; `nox -s attack` runs all of them, fully. `test_short` runs
a minute's worth with the product's tests, `test_bed` holds that the bed sees what it is there to see.

To add an attack: a row in a part that exists, or a module with `play(setting, tally)` and a line in `parts`.
Count every attempt with `tally.tried`, every success of one with `tally.fell`, and say with
`tally.skipped` what a machine can't do. Whatever an attack starts, it ends, by its process id.
"""
