"""The service in Kubernetes: the connector of this folder, beside the one of batch jobs."""

from flyte_connectors import ConnectorEnvironment, Image, Resources

connector = ConnectorEnvironment(
    name="our-connectors",
    image=Image.from_debian_base(python_version=(3, 12), registry="registry.example.org/us"),
    resources=Resources(cpu="500m", memory="512Mi"),
    include=["my_connector.py"],
    plugins=["batch-job"],
    service_account="our-connectors",
    batch_jobs_namespace="flyte-jobs",
    replicas=(2, 4),
)
