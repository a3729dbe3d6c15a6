"""Train a model of scikit-learn as a job, and use what it returns."""

import joblib
from flyte_connectors import File, TaskEnvironment, report, task_context
from flyte_connectors_batch_job import BatchJobConfig
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

jobs = TaskEnvironment("training", plugin_config=BatchJobConfig(timeout_seconds=300))
here = TaskEnvironment("digits")

TRAINED = 1500  # of 1797 images; the others tell how good the model is


@jobs.task
def train(epochs: int) -> tuple[File, float]:
    """A model and its accuracy."""
    images, labels = load_digits(return_X_y=True)
    model = SGDClassifier(random_state=0)
    accuracy = 0.0
    for epoch in range(epochs):
        model.partial_fit(images[:TRAINED], labels[:TRAINED], classes=range(10))
        accuracy = model.score(images[TRAINED:], labels[TRAINED:])
        report.metric("accuracy", accuracy)
        report.progress((epoch + 1) / epochs, f"epoch {epoch + 1}")
    report.message(f"attempt {task_context().attempt} of {task_context().task} is done")
    joblib.dump(model, "model.joblib")
    return File("model.joblib"), accuracy


@here.task
def digit(image: int, epochs: int = 5) -> tuple[int, float]:
    """What a model sees in an image, and how accurate it is."""
    stored, accuracy = train(epochs)
    with stored.open_sync() as file:
        model = joblib.load(file)
    return int(model.predict(load_digits().data[[image]])[0]), accuracy
