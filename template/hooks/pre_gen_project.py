"""Refuses names that would not work, before anything is written."""

import keyword
import re
import sys

RULES = {
    "distribution": (
        {{ cookiecutter.distribution | tojson }},
        r"[a-z][a-z0-9]*(-[a-z0-9]+)*",
        "words of a-z and 0-9 joined by '-', such as flyte-connectors-acme",
        36,
    ),
    "service": (
        {{ cookiecutter.service | tojson }},
        r"[A-Za-z][A-Za-z0-9]*( [A-Za-z0-9]+)*",
        "words of letters and digits, such as Acme Cloud",
        24,
    ),
    "task_type": (
        {{ cookiecutter.task_type | tojson }},
        r"[a-z][a-z0-9]*(_[a-z0-9]+)*",
        "words of a-z and 0-9 joined by '_', such as acme_job",
        30,
    ),
}
TAKEN = ("flyte_connectors", "flyteidl2", "google", "httpx", "pytest")


def refuse(name, fault):
    sys.exit(f"flyte-connectors: {name}: {RULES[name][0]!r} {fault}")


for name, (value, pattern, meaning, longest) in RULES.items():
    if not re.fullmatch(pattern, value):
        refuse(name, f"must be {meaning}")
    if len(value) > longest:
        refuse(name, f"has more than {longest} characters")

package = RULES["distribution"][0].replace("-", "_")
if keyword.iskeyword(package) or package in {*sys.stdlib_module_names, *TAKEN}:
    refuse("distribution", "is another module's name: put flyte-connectors- before it")
