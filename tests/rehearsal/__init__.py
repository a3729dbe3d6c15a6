"""A rolling restart behind a real load balancer, under load: nothing lost, nothing doubled.

proxies.py    nginx and HAProxy with the configuration of docs/proxies
rolling.py    ends one replica after the other while tasks run
findings.py   what became of tasks and calls, as a table or JSON
"""
