"""Connectors of the official SDKs, hosted here.

adapter.py               the hook `adapt`
official_sdk.py          recognizes classes and modules of the official SDKs
official_connectors.py   connectors written for `flyte`
flytekit_connectors.py   connectors written for `flytekit`
hosted_meta.py           the metas of either
hosted_verb.py           a verb of either
"""
