"""From a laptop to a cluster: the image of a service, and what Kubernetes needs to run it.

    ConnectorEnvironment -> sources -> Image -> ImageBuildEngine -> registry
            |                                                          |
            +-> manifests (+ routing) -> yaml_text -> applying <- digest

kubernetes_values.py  what Kubernetes takes for names, quantities and variables
sources.py            `include`: which files go along, which modules are served, their task types
image.py              Image: what goes into an image, and its name
containerfile.py      the text that builds it
lock.py               the exact packages, pinned by hash
unused.py             those that are declared and never imported
builders.py           buildah and docker, run as commands
remote_builder.py     Flyte's back end, asked through the official SDK
engine.py             ImageBuildEngine: context, lock, build, push
environment.py        ConnectorEnvironment: what is deployed
manifests.py          the Kubernetes objects of an environment
routing.py            the configuration of Flyte's back end that sends tasks to it
yaml_text.py          plain data as YAML
applying.py           deploy(): show, build, apply
"""
