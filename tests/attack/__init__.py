"""A hostile test bed: what must never happen to a service, tried on a real one.

A program with its own tests. `python -m tests.attack` runs the attacks and prints a table of those
that succeeded.

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
    __main__ -> setting, report             the command line, and the table of results

`python -m tests.attack --help` lists the parts; `nox -s attack` runs all of them in full. Its tests:
`test_short` runs about a minute of them with the tests of the product, `test_bed` checks that the program
notices the faults that it looks for.

To add an attack: a row in a part that exists, or a module with `play(setting, tally)` and a line in `parts`.
Count every attempt with `tally.tried` and every successful one with `tally.fell`; report with
`tally.skipped` what this machine cannot do. An attack stops every process that it starts, by its id.
"""
