"""Living beside the official SDKs.

flyte_names.py           `import flyte` resolves to this package, where the official SDK is absent
official_sdk.py          telling what belongs to the official SDKs
official_connectors.py   connectors written for `flyte`, hosted here
flytekit_connectors.py   connectors written for `flytekit`, hosted here
hosted_meta.py           the metas of either
hosted_verb.py           a verb of either
in_official_service.py   our connectors, hosted by the service of `flyte`
official_task.py         our tasks, deployed with `flyte`
official_references.py   files, folders and tables of `flyte` as ours, and back
vendor_statuses.py       what the exceptions of their vendors' clients stand for
"""
