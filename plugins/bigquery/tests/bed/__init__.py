"""The test bed: a BigQuery server on loopback, and a proxy that makes trouble in front of it.

*   `emulator`  installs, starts and stops `local-bigquery` in an environment of its own
*   `storage`   sends tables of any size as Google's Storage API does
*   `proxy`     forwards the vendor client's calls, counts them and injects faults
*   `jobs`      shows jobs as running until a test ends them
*   `discovery` holds jobs against Google's description of its API
*   `partial`   cuts down answers as Google's APIs do
*   `iris`      the public data set, as rows and as a table
*   `keys`      credentials whose tokens come from the proxy
*   `google_cloud`  Google's own service, where credentials are present
*   `core`      a processor core for one process
*   `calls`     the connectors behind the core's call path
*   `service`   the connectors in a service of their own, with a `neighbour`
"""
