"""Living beside the official SDKs.

flyte_names.py           `import flyte` resolves to this package, where the official SDK is absent
official_sdk.py          telling what belongs to the official SDK
official_connectors.py   connectors written for the official SDK, hosted here
in_official_service.py   our connectors, hosted by the official SDK's service
official_references.py   files, folders and tables of either side as the other's
vendor_statuses.py       what the exceptions of their vendors' clients stand for
"""
