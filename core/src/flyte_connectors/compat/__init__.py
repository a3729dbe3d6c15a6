"""Living beside the official SDKs.

flyte_names.py   `import flyte` resolves to this package, where the official SDK is absent
"""
