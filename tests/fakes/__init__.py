"""A job service whose jobs a test controls, and connectors for it.

job_service.py     jobs as files of a folder: every process that shares it sees the same jobs
fake.py            connectors for it; also a module for `serve --module`
tasks.py           tasks for them; also a module for `run`
nested_tasks.py    tasks made of functions that call those
forked_calls.py, forked_client.py
                   tasks and clients used before and after a fork
requests.py        requests as Flyte's back end sends them
distributions.py   plugins as an installer leaves them
serve_process.py   `flyte-connectors serve` in a process of its own
"""
