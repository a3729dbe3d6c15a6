"""`flytekitplugins-awssagemaker`, against moto's server: a model, its configuration, and an endpoint."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from flyte_connectors import NativeInterface, Phase

from tests.official.vendors.whole_job import request_for, whole_job

moto_server = pytest.importorskip("moto.server")

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/runner"
RESULT: dict[str, Any] = {"result": dict}

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's and its libraries' own


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[None]:
    """An account of AWS on loopback."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield
    server.stop()


def connector(module: str, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = importlib.import_module(f"flytekitplugins.awssagemaker_inference.{module}")
    return getattr(found, name)()


async def boto(method: str, config: dict[str, Any]) -> Any:
    """What a call of boto3 comes to, as a task of type `boto`."""
    custom = {
        "service": "sagemaker",
        "method": method,
        "config": config,
        "region": REGION,
        "images": {},
    }
    request = request_for("boto", custom, outputs=RESULT)
    resource = await whole_job(connector("boto3_connector", "BotoConnector"), request)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    return NativeInterface({}, RESULT).read_outputs("t", resource.outputs)["result"]


async def test_an_endpoint_is_deployed_and_deleted() -> None:
    """Three tasks, as the package's own workflow makes them."""
    container = {"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"}
    model = {"ModelName": "m", "PrimaryContainer": container, "ExecutionRoleArn": ROLE}
    assert (await boto("create_model", model))["ModelArn"].startswith("arn:aws:sagemaker:")
    variant = {
        "VariantName": "v",
        "ModelName": "m",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    chosen = {"EndpointConfigName": "c", "ProductionVariants": [variant]}
    assert "EndpointConfigArn" in await boto("create_endpoint_config", chosen)
    custom = {"config": {"EndpointName": "e", "EndpointConfigName": "c"}, "region": REGION}
    request = request_for("sagemaker-endpoint", custom, outputs=RESULT)
    resource = await whole_job(connector("connector", "SageMakerEndpointConnector"), request)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    result = NativeInterface({}, RESULT).read_outputs("t", resource.outputs)["result"]
    assert result["EndpointArn"].endswith("endpoint/e")


async def test_what_sagemaker_refuses_is_shown_in_its_words() -> None:
    """An endpoint of a configuration that is not there."""
    custom = {"config": {"EndpointName": "f", "EndpointConfigName": "absent"}, "region": REGION}
    request = request_for("sagemaker-endpoint", custom, outputs=RESULT)
    with pytest.raises(Exception, match="Could not find endpoint configuration"):
        await whole_job(connector("connector", "SageMakerEndpointConnector"), request)
