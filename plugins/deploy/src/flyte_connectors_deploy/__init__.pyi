# What the package exports, and where each name lives.

from flyte_connectors.hookspecs import Commands

from flyte_connectors_deploy.applying import Deployment as Deployment
from flyte_connectors_deploy.applying import deploy as deploy
from flyte_connectors_deploy.applying import plan as plan
from flyte_connectors_deploy.commands import CommandError as CommandError
from flyte_connectors_deploy.engine import ImageBuild as ImageBuild
from flyte_connectors_deploy.engine import ImageBuildEngine as ImageBuildEngine
from flyte_connectors_deploy.environment import ConnectorEnvironment as ConnectorEnvironment
from flyte_connectors_deploy.image import Image as Image

def register_commands(commands: Commands) -> None: ...
