"""Tests of the whole product: real services, real processes, real sockets.

For its users, operators and attackers
    cli/            the commands as a person runs them
    service/        the gRPC service, and the job loop that drives it
    hardening/      TLS, tokens, limits, workers, and what logs and errors must not reveal
    images/         container images, built and run
What the repository says of itself
    docs/           the documentation, checked against the code
    specification/  the documents that specify the project, whose code runs
    template/       packages generated from the template
    extras/         every package and extra, installed from wheels as users do: `nox -s extras`
Beside the official packages
    official/       connectors of the official SDKs in our service, and ours in theirs
    interop/        types and images, compared with those of the official SDK
Programs of their own, each with its command line and its own tests (`test_*.py` beside it)
    backend/        a model of Flyte's back end, for any connector service: `nox -s chaos`
    rehearsal/      rolling restarts behind load balancers: `nox -s rehearse`
    attack/         a hostile test bed: `nox -s attack`
Shared by several of these
    fakes/          connectors and services that a test controls
"""
