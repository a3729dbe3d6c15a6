"""Tasks of other systems, whose jobs the tests look at."""

import os

from flyte_connectors_bigquery import BigQueryConfig, BigQueryTask
from flyte_connectors_model_training import ModelTrainTask

query = BigQueryTask(
    name="query",
    query_template="SELECT species, AVG(petal_length) AS mean FROM garden.iris GROUP BY species",
    plugin_config=BigQueryConfig(ProjectID="p1", Location="US"),
)

train = ModelTrainTask(name="train", endpoint=os.environ.get("TRAINING", "http://127.0.0.1:9/jobs"))
