"""A function that runs as a batch job, and reports how far it is."""

import time

from flyte_connectors import TaskEnvironment, report
from flyte_connectors_batch_job import BatchJobConfig

env = TaskEnvironment("learning", plugin_config=BatchJobConfig())


@env.task
def learn(epochs: int) -> float:
    loss = 1.0
    for epoch in range(epochs):
        loss = 1 / (1 + epoch)
        report.metric("loss", loss)
        report.metric("validation_loss", loss + 0.1)
        report.progress((epoch + 1) / epochs, f"epoch {epoch + 1}")
        if epoch % 10 == 0:
            report.message(f"at epoch {epoch + 1}, the loss is {loss:.3f}")
        time.sleep(0.1)
    return loss
