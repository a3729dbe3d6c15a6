"""The class that a connector's tests inherit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar, NoReturn

import pytest
import pytest_asyncio
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors._registry.table import Registry
from flyte_connectors.bound import BoundConnector
from flyte_connectors.connector import TaskCategory
from flyte_connectors.testing.concurrency import ConcurrencyRules
from flyte_connectors.testing.create import CreateRules
from flyte_connectors.testing.deletion import DeletionRules
from flyte_connectors.testing.errors import ErrorRules
from flyte_connectors.testing.harness import CANARY, DIRECT, WIRE, Driver, driving, execution_of
from flyte_connectors.testing.logs import LogRules
from flyte_connectors.testing.many import GetManyRules
from flyte_connectors.testing.meta import MetaRules
from flyte_connectors.testing.metrics import MetricRules
from flyte_connectors.testing.phases import PhaseRules
from flyte_connectors.testing.registration import RegistrationRules
from flyte_connectors.testing.rule import standard_tests
from flyte_connectors.testing.secrets import SecretRules
from flyte_connectors.testing.sync import SyncRules


class ConnectorConformance(
    RegistrationRules,
    CreateRules,
    MetaRules,
    PhaseRules,
    GetManyRules,
    DeletionRules,
    LogRules,
    MetricRules,
    SyncRules,
    ErrorRules,
    SecretRules,
    ConcurrencyRules,
):
    """Every rule that a connector has to obey, as tests.

    A subclass named `Test...` overrides the fixtures `connector`, `good_request` and `bad_requests`, and,
    unless the connector is a sync one, `service`. Tests of verbs that the connector does not have, and
    of abilities that the service does not have, are skipped; others only with a reason, in `skips`.

    Attributes:
        skips: Reason for each standard test that can't hold, by its name.

    Raises:
        TypeError: a subclass replaces a standard test, or skips an unknown one or without a reason.
    """

    skips: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        standard = standard_tests(ConnectorConformance)
        replaced = [name for name in standard if getattr(cls, name) is not standard[name]]
        if replaced:
            message = f"{cls.__name__} replaces standard tests: {', '.join(replaced)}; name them in `skips`"
            raise TypeError(message)
        for name, reason in cls.skips.items():
            if name not in standard or not reason.strip():
                message = f"{cls.__name__}.skips['{name}']: give a standard test and the reason"
                raise TypeError(message)

    @pytest.fixture
    def connector(self) -> Callable[[], Any]:
        """What makes the connector: its class, or a function without arguments. Mandatory."""
        _unfilled("connector", "return the connector's class")

    @pytest.fixture
    def service(self) -> Any:
        """The external system, a `ControllableService`. Mandatory unless the connector is sync."""
        _unfilled("service", "return a ControllableService")

    @pytest.fixture
    def good_request(self) -> pb.CreateTaskRequest:
        """A request whose job runs until the service ends it. Mandatory."""
        _unfilled("good_request", "return a CreateTaskRequest that succeeds")

    @pytest.fixture
    def bad_requests(self) -> Mapping[str, pb.CreateTaskRequest]:
        """A request for each field that can be wrong, by the field's name. Mandatory."""
        _unfilled("bad_requests", "return {'custom.field': request with that field wrong}")

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        """Value of each secret argument that the connector takes; canaries that must not leak."""
        return {"kit_secret": CANARY}

    @pytest.fixture
    def other_request(self) -> pb.CreateTaskRequest | None:
        """Another good request. Optional."""
        return None

    @pytest.fixture
    def typed_requests(self, good_request: pb.CreateTaskRequest) -> Mapping[str, pb.CreateTaskRequest]:
        """A good request for each type that an input can have, by the type's name. Optional."""
        return {"the declared types": good_request}

    @pytest.fixture
    def golden_metas(self) -> Mapping[bytes, Mapping[str, object]]:
        """Metas that earlier releases wrote, and the fields to be read from each. Optional."""
        return {}

    @pytest.fixture
    def bound(self, connector: Callable[[], Any]) -> BoundConnector:
        """The connector as the registry has it."""
        return Registry().register(connector())

    @pytest.fixture
    def category(self, bound: BoundConnector) -> TaskCategory:
        """The task type and version that the connector serves."""
        return bound.category

    @pytest.fixture
    def task_request(self, good_request: pb.CreateTaskRequest, secrets: Mapping[str, str]) -> pb.CreateTaskRequest:
        """The good request, for a new run, with the secrets."""
        return _for_a_run(good_request, secrets)

    @pytest.fixture
    def refused_requests(
        self, bad_requests: Mapping[str, pb.CreateTaskRequest], secrets: Mapping[str, str]
    ) -> Mapping[str, pb.CreateTaskRequest]:
        """The bad requests, each for a new run, with the secrets."""
        if not bad_requests:
            _unfilled("bad_requests", "a connector that takes any request has no use for a task")
        return {field: _for_a_run(request, secrets) for field, request in bad_requests.items()}

    @pytest_asyncio.fixture
    async def direct(self, connector: Callable[[], Any]) -> AsyncIterator[Driver]:
        """The connector behind its dispatcher."""
        async with driving(connector()) as driver:
            yield driver

    @pytest_asyncio.fixture(params=[DIRECT, WIRE])
    async def driver(self, connector: Callable[[], Any], request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
        """The connector behind its dispatcher, and again behind gRPC."""
        async with driving(connector(), request.param) as driver:
            yield driver

    @pytest.fixture(autouse=True)
    def _applies(self, request: pytest.FixtureRequest) -> None:
        """Skip what does not apply, before any other fixture costs time."""
        test = standard_tests(type(self)).get(getattr(request.node, "originalname", ""))
        if test is None:
            return  # a test of the author's own
        bound: BoundConnector = request.getfixturevalue("bound")
        request.node.user_properties.append(("conformance", f"{bound.name} ({bound.category})"))
        if reason := self.skips.get(test.__name__):
            pytest.skip(reason)
        if test.rule_verb is not None and test.rule_verb not in bound.verbs:
            pytest.skip(f"the connector has no {test.rule_verb}")
        ability = test.rule_service
        if ability is not None and not isinstance(request.getfixturevalue("service"), ability):
            pytest.skip(f"the service of the tests is not a {ability.__name__}")
        if test.rule_fixture is not None and not request.getfixturevalue(test.rule_fixture):
            pytest.skip(f"the fixture {test.rule_fixture} is not given")
        if test.rule_repeats:
            good: pb.CreateTaskRequest = request.getfixturevalue("good_request")
            if not bound.may_repeat_create(good.template):
                pytest.skip("its create may not be repeated: it takes no idempotency_key")


def _for_a_run(request: pb.CreateTaskRequest, secrets: Mapping[str, str]) -> pb.CreateTaskRequest:
    copy = execution_of(request)
    copy.connection.secrets.update(secrets)
    return copy


def _unfilled(fixture: str, advice: str) -> NoReturn:
    pytest.fail(f"the conformance kit needs the fixture '{fixture}': {advice}", pytrace=False)
