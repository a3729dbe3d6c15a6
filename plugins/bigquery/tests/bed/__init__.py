"""The test bed: a BigQuery server on loopback, and a proxy that makes trouble in front of it.

*   `emulator`  installs, starts and stops `local-bigquery` in an environment of its own
*   `proxy`     forwards the vendor client's calls, counts them and injects faults
"""
