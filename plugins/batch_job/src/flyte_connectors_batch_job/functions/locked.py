"""The start of a job whose packages a lock of `uv` names; it needs nothing but the standard library."""

from __future__ import annotations

START = """
import hashlib, io, json, os, subprocess, sys, zipfile
inputs = os.environ['BATCH_JOB_INPUTS']
folder = os.path.join(os.path.dirname(inputs), "environment")
with open(inputs) as file:
    path = json.load(file)["call"]["environment"]
with open(path, "rb") as file:
    content = file.read()
if hashlib.sha256(content).hexdigest() not in path:
    sys.exit("the lock of the task was changed since the task was started: start it again")
zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
command = ["uv", "sync", "--quiet", "--frozen", "--no-dev", "--no-install-project", "--project", folder]
try:
    made = subprocess.run(command).returncode
except FileNotFoundError:
    sys.exit("uv is not installed where the job runs: install it, or name an interpreter by `python`")
if made:
    sys.exit("uv could not make the environment of the task's lock; the log says why")
python = os.path.join(folder, ".venv", "bin", "python")
os.execv(python, [python, "-m", "flyte_connectors_batch_job.functions.runner"])
"""
"""A program for `python -c`: unpacks the lock, has `uv` make its environment, and goes on as the runner in that."""
