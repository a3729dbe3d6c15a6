"""Resources that a task or a service requests for its container."""

from __future__ import annotations

import dataclasses

from flyteidl2.core.tasks_pb2 import Resources as ResourcesProto


@dataclasses.dataclass(frozen=True)
class Resources:
    """Kubernetes quantities, or pairs of request and limit.

    Args:
        cpu: Cores, such as `1`, `"500m"`, or `("500m", "2")`.
        memory: Such as `"250Mi"` or `("1Gi", "4Gi")`.
        gpu: Number of GPUs.
        disk: Ephemeral storage, such as `"10Gi"`.
    """

    cpu: str | float | tuple[str | float, str | float] | None = None
    memory: str | tuple[str, str] | None = None
    gpu: int | None = None
    disk: str | None = None

    def to_proto(self) -> ResourcesProto:
        """The resources as `flyteidl2.core.Resources`; a single quantity is a request."""
        message = ResourcesProto()
        names = ResourcesProto.ResourceName
        quantities = (
            (names.CPU, self.cpu),
            (names.MEMORY, self.memory),
            (names.GPU, self.gpu),
            (names.EPHEMERAL_STORAGE, self.disk),
        )
        for name, quantity in quantities:
            if quantity is None:
                continue
            request, limit = quantity if isinstance(quantity, tuple) else (quantity, None)
            message.requests.add(name=name, value=str(request))
            if limit is not None:
                message.limits.add(name=name, value=str(limit))
        return message
