from flyte_connectors.io.references import DataFrame as DataFrame
from flyte_connectors.io.references import Dir as Dir
from flyte_connectors.io.references import File as File
