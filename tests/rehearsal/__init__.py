"""A rolling restart behind a real load balancer, under load: nothing lost, nothing doubled.

A program with its own tests: `python -m tests.rehearsal`, or `nox -s rehearse`.

proxies.py    nginx and HAProxy with the configuration of docs/proxies
rolling.py    stops one replica after the other while tasks run
findings.py   the results of tasks and calls, as a table or JSON
"""
