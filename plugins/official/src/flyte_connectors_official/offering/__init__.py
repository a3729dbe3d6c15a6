"""Our connectors and tasks, offered to the official SDK.

in_official_service.py   our connectors, hosted by the service of `flyte`
official_task.py         our tasks, deployed with `flyte`
"""
