"""A deployment as a kustomize base: one file per object.

Reference: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/
"""

from __future__ import annotations

import pathlib

from flyte_connectors_deploy.applying import Deployment
from flyte_connectors_deploy.kubernetes_yaml import to_yaml

BACK_END_FILE = "flyte-back-end.yaml"
"""Configuration of Flyte's back end; no resource, so kustomize does not apply it."""


def write_kustomization(deployment: Deployment, folder: pathlib.Path) -> list[pathlib.Path]:
    """Write the base into `folder`, over what an earlier one left there.

    Returns:
        The files, `kustomization.yaml` first.
    """
    files = {f"{item['kind'].lower()}.yaml": item for item in deployment.objects}
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    texts = {
        "kustomization.yaml": to_yaml({**head, "resources": list(files)}),
        **{name: to_yaml(item) for name, item in files.items()},
        BACK_END_FILE: to_yaml(deployment.back_end),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]
