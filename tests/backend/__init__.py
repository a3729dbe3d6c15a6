"""A model of Flyte's back end, to drive any connector service through faults and count the losses.

A program with its own tests (`test_*.py`); it runs against our service and the official one alike.

    back end      executor -> launcher, cache -> monitor      as the Go executor does it
                  discovery                                   the ListConnectors poll
                  task, batch_task, service_client            requests and how they travel
    service       replicas                                    processes of either service
                  vendor_connector, vendor_connector_official the same connector for each
                  own_id_connector                            one whose vendor takes no key
                  neighbours, jumping_clock                   trouble from inside it
    outside       vendor, vendor_client                       a job service and its client
    the run       scenarios, disturbances, junk, rush         the faults; excuses for what they make
                  stage -> report                             one scenario and its results
                  official_service, front                     the official service; what stands before replicas

`python -m tests.backend --help` lists the scenarios. Nothing here imports `flyte_connectors` but
the modules that are loaded into it.
"""
