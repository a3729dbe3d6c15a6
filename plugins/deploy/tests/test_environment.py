"""Bad descriptions: one line each that names the field, the value and the way out."""

from __future__ import annotations

from typing import Any

import pytest
from flyte_connectors import ConnectorEnvironment, Image, Resources
from flyte_connectors.errors import InvalidRequestError

BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "My_Connector"}, "name: 'My_Connector' is not a valid Kubernetes name"),
    ({"name": "a" * 64}, "is not a valid Kubernetes name"),
    ({"name": "1st"}, "beginning with a letter"),
    ({"namespace": "Flyte"}, "namespace: 'Flyte'"),
    ({"clients": []}, "clients: must name at least one namespace"),
    ({"clients": "flyte"}, "clients: 'flyte' is not a list"),
    ({"include": "my_connector"}, "include: 'my_connector' is not a list"),
    ({"service_account": "Me!"}, "service_account: 'Me!'"),
    ({"batch_jobs_namespace": "jobs"}, "batch_jobs_namespace: needs a service_account"),
    ({"secret_namespaces": ["team-a-production"]}, "secret_namespaces: needs a service_account"),
    ({"secret_namespaces": "team-a"}, "secret_namespaces: 'team-a' is not a list"),
    ({"secret_namespaces": ["Team"], "service_account": "s"}, "secret_namespaces: 'Team' is not a valid namespace"),
    ({"secrets": "a/b"}, "secrets: 'a/b' is not a valid key of a Secret"),
    ({"secrets": ".."}, "secrets: '..' is not a valid key"),
    ({"secrets": "1key"}, "secrets: '1KEY' is not a valid environment variable name"),
    ({"env_vars": {"A-B": "1"}}, "env_vars: 'A-B' is not a valid environment variable name"),
    ({"replicas": 0}, "replicas: 0: give a number from 1"),
    ({"replicas": (3, 2)}, r"replicas: \(3, 2\): give"),
    ({"replicas": True}, "replicas: True"),
    ({"replicas": (1, 2, 3)}, "replicas: "),
    ({"port": 80}, "port: 80: give 1024 to 65535"),
    ({"port": 9090}, "metrics_port: 9090 is the gRPC port already"),
    ({"grace": 0}, "grace: 0: give 1 to 3600 seconds"),
    ({"grace": float("nan")}, "grace: nan"),
    (
        {"plugins": ["Big Query"]},
        "plugins: unknown plugin 'Big Query'; available: batch-job, bigquery, console, deploy",
    ),
    (
        {"image": "r/i:1", "plugins": ["bigquery"]},
        r"image: 'r/i:1' is already built.*from_base\('r/i:1'\)",
    ),
    (
        {"resources": Resources(cpu="lots", memory="1Gi")},
        "resources.cpu: 'lots' is not a valid quantity",
    ),
    ({"resources": Resources(cpu="0")}, "resources.cpu: '0': must be greater than zero"),
    ({"resources": Resources(cpu="1", memory="1m")}, "thousandths of a byte"),
    ({"resources": Resources(cpu="1", memory="1Mi")}, "resources.memory: 1Mi is too little"),
    ({"resources": Resources(cpu=("2", "500m"))}, "the request 2 is over the limit 500m"),
    ({"resources": Resources(cpu="1", memory=("2Gi", "1G"))}, "the request 2Gi is over"),
    ({"resources": Resources(cpu="1", gpu=0)}, "resources.gpu: 0 is not a number of GPUs"),
    ({"resources": Resources(memory="1Gi")}, "resources.cpu: the autoscaler"),
]


@pytest.mark.parametrize(("values", "text"), BAD, ids=[str(values) for values, _ in BAD])
def test_bad_values_are_refused_in_one_line(values: dict[str, Any], text: str) -> None:
    """Before anything is built."""
    with pytest.raises(InvalidRequestError, match=text) as caught:
        ConnectorEnvironment(**{"name": "connector", **values})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "resources",
    [
        Resources(cpu=1, memory="64Mi"),
        Resources(cpu=0.5, memory="1e9"),
        Resources(cpu=".5", memory="1E"),
        Resources(cpu=("1500m", 2), memory=("1G", "1Gi")),
        Resources(cpu="1", memory="2147483648"),
    ],
)
def test_every_form_of_quantity_is_taken(resources: Resources) -> None:
    """Decimal, binary, exponent and plain."""
    assert ConnectorEnvironment(name="connector", resources=resources).resources is resources


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"python_version": (3, 9)}, r"image.python_version: \(3, 9\) is not supported"),
        (
            {"registry": "https://ghcr.io"},
            "image.registry: 'https://ghcr.io' is not a valid registry",
        ),
        ({"name": "My Image"}, "image.name: 'My Image' is not a valid image name"),
    ],
)
def test_bad_images_are_refused(values: dict[str, Any], text: str) -> None:
    """With the value that is wrong."""
    with pytest.raises(InvalidRequestError, match=text):
        Image.from_debian_base(**values)


@pytest.mark.parametrize("package", ["", "--index-url=http://evil", "a\nb", "-r other.txt"])
def test_packages_are_requirements_and_nothing_else(package: str) -> None:
    """No option of the installer gets into the requirements."""
    with pytest.raises(InvalidRequestError, match="is not a valid requirement"):
        Image.from_debian_base().with_pip_packages(package)


def test_plugins_are_packages_of_the_image() -> None:
    """Beside those that the image has."""
    environment = ConnectorEnvironment(
        name="connector",
        image=Image.from_debian_base(python_version=(3, 12)).with_pip_packages("numpy"),
        plugins=["batch_job"],
    )
    image = environment.built_image()
    assert image is not None
    assert image.requirements == (
        "flyte-connectors[batch-job]",
        "flyte-connectors[official]",
        "numpy",
    )
