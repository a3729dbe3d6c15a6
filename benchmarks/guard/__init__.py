"""Costs that noise can't hide: counts, compared with those of the last change that was looked at.

    nox -s guard               compare with `baseline.json`; fails if anything costs 3 % more
    nox -s guard -- --renew    write what is counted now as the baseline, to be committed with its reason

Times depend on the machine and on what else it does; these counts do not. They are of one version of Python,
whose bytecode they count, and of the versions in `constraints.txt`.

    __main__    arguments, comparison, report
    requests    bytecode, memory, turns of the event loop and bytes of each call
    start       bytecode and modules of `serve` until it answers
    counting    how bytecode is counted

What libraries in C do is not counted: `nox -s bench` measures that.
"""
