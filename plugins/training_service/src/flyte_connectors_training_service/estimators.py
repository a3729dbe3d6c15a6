"""The estimators of scikit-learn that can be trained by name, and their parameters.

The service checks submissions with this table, and does not load scikit-learn for it. What an epoch is
depends on the estimator:

    PASS     a pass over the training rows (`partial_fit`)
    ROUND    one more tree, or round of boosting, on top of those before (`warm_start`)
    ONCE     all of the training: there is one epoch
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flyte_connectors_training_service.checks import (
    FLAG,
    NULL,
    NUMBER,
    Check,
    above,
    at_least,
    between,
    choice,
    share,
    whole,
)

CLASSIFICATION, REGRESSION = "classification", "regression"
PASS, ROUND, ONCE = "pass", "round", "once"
DEFAULT = "SGDClassifier"
_MANY = 1_000_000


@dataclass(frozen=True)
class Estimator:
    """How a class of scikit-learn is trained.

    Attributes:
        module: Where the class is.
        problem: `CLASSIFICATION` or `REGRESSION`.
        epoch: `PASS`, `ROUND` or `ONCE`.
        parameters: What a client may set.
        settings: What is set besides, unless the client sets it.
        counter: With `ROUND`, the parameter that counts the rounds.
        has_weights: Whether it weighs rows, and so classes.
        has_seed: Whether it draws random numbers.
        has_probabilities: Whether a classifier has probabilities, and so a log loss.
        has_missing: Whether it takes missing numbers as they are.
    """

    module: str
    problem: str
    epoch: str
    parameters: Mapping[str, Check]
    settings: Mapping[str, Any] = field(default_factory=dict)
    counter: str = ""
    has_weights: bool = True
    has_seed: bool = True
    has_probabilities: bool = True
    has_missing: bool = False


_SGD = {
    "penalty": choice("l2", "l1", "elasticnet", None),
    "alpha": at_least(0),
    "l1_ratio": between(0, 1),
    "fit_intercept": FLAG,
    "learning_rate": choice("constant", "optimal", "invscaling"),
    "eta0": above(0),
    "power_t": NUMBER,
    "average": FLAG,
}
_LINEAR = {
    "alpha": at_least(0),
    "fit_intercept": FLAG,
    "max_iter": whole(1, _MANY) | NULL,
    "tol": at_least(0),
}
_TREE = {
    "max_depth": whole(1, 1000) | NULL,
    "min_samples_split": whole(2, _MANY) | share(),
    "min_samples_leaf": whole(1, _MANY) | share(),
    "max_features": whole(1, _MANY) | share() | choice("sqrt", "log2", None),
    "max_leaf_nodes": whole(2, _MANY) | NULL,
    "min_impurity_decrease": at_least(0),
    "ccp_alpha": at_least(0),
}
_FOREST = {**_TREE, "bootstrap": FLAG, "max_samples": whole(1, _MANY) | share() | NULL}
_BOOSTING = {
    "learning_rate": above(0),
    "max_leaf_nodes": whole(2, _MANY) | NULL,
    "max_depth": whole(1, 1000) | NULL,
    "min_samples_leaf": whole(1, _MANY),
    "l2_regularization": at_least(0),
    "max_features": share(),
    "max_bins": whole(2, 255),
}
_MAX_LAYERS = 20
_LAYERS = Check(
    f"a list of up to {_MAX_LAYERS} integers from 1 to 10000",
    lambda value: (
        isinstance(value, list)
        and 0 < len(value) <= _MAX_LAYERS
        and all(whole(1, 10_000).accepts(size) for size in value)
    ),
)
_NETWORK = {
    "hidden_layer_sizes": _LAYERS,
    "activation": choice("identity", "logistic", "tanh", "relu"),
    "solver": choice("adam", "sgd"),
    "alpha": at_least(0),
    "batch_size": whole(1, _MANY) | choice("auto"),
    "learning_rate_init": above(0),
    "momentum": between(0, 1),
    "nesterovs_momentum": FLAG,
}
_NEIGHBORS = {
    "n_neighbors": whole(1, _MANY),
    "weights": choice("uniform", "distance"),
    "p": at_least(1),
    "leaf_size": whole(1, _MANY),
}
_SUPPORT_VECTORS = {
    "C": above(0),
    "kernel": choice("linear", "poly", "rbf", "sigmoid"),
    "degree": whole(0, 100),
    "gamma": choice("scale", "auto") | above(0),
    "coef0": NUMBER,
    "tol": above(0),
}
_IMPURITIES = choice("gini", "entropy", "log_loss")
_ERRORS = choice("squared_error", "absolute_error", "friedman_mse", "poisson")
_BOOSTED = {"warm_start": True, "early_stopping": False}
_GROWING = {"warm_start": True}

ESTIMATORS: Mapping[str, Estimator] = {
    "SGDClassifier": Estimator(
        *("sklearn.linear_model", CLASSIFICATION, PASS),
        {**_SGD, "loss": choice("log_loss", "modified_huber")},
        settings={"loss": "log_loss"},
    ),
    "LogisticRegression": Estimator(
        *("sklearn.linear_model", CLASSIFICATION, ONCE),
        {
            "C": above(0),
            "fit_intercept": FLAG,
            "max_iter": whole(1, _MANY),
            "tol": above(0),
            "solver": choice("lbfgs", "newton-cg", "sag", "saga"),
        },
    ),
    "RandomForestClassifier": Estimator(
        *("sklearn.ensemble", CLASSIFICATION, ROUND),
        {**_FOREST, "criterion": _IMPURITIES},
        *(_GROWING, "n_estimators"),
    ),
    "ExtraTreesClassifier": Estimator(
        *("sklearn.ensemble", CLASSIFICATION, ROUND),
        {**_FOREST, "criterion": _IMPURITIES},
        *(_GROWING, "n_estimators"),
    ),
    "HistGradientBoostingClassifier": Estimator(
        *("sklearn.ensemble", CLASSIFICATION, ROUND, _BOOSTING, _BOOSTED, "max_iter"),
        has_missing=True,
    ),
    "DecisionTreeClassifier": Estimator(
        *("sklearn.tree", CLASSIFICATION, ONCE),
        {**_TREE, "criterion": _IMPURITIES, "splitter": choice("best", "random")},
    ),
    "KNeighborsClassifier": Estimator(
        *("sklearn.neighbors", CLASSIFICATION, ONCE, _NEIGHBORS),
        has_weights=False,
        has_seed=False,
    ),
    "GaussianNB": Estimator(
        *("sklearn.naive_bayes", CLASSIFICATION, ONCE, {"var_smoothing": at_least(0)}),
        has_seed=False,
    ),
    "SVC": Estimator(*("sklearn.svm", CLASSIFICATION, ONCE, _SUPPORT_VECTORS), has_probabilities=False),
    "MLPClassifier": Estimator(*("sklearn.neural_network", CLASSIFICATION, PASS, _NETWORK), has_weights=False),
    "SGDRegressor": Estimator(
        *("sklearn.linear_model", REGRESSION, PASS),
        {
            **_SGD,
            "loss": choice("squared_error", "huber", "epsilon_insensitive"),
            "epsilon": at_least(0),
        },
    ),
    "LinearRegression": Estimator(
        *("sklearn.linear_model", REGRESSION, ONCE, {"fit_intercept": FLAG, "positive": FLAG}),
        has_seed=False,
    ),
    "Ridge": Estimator("sklearn.linear_model", REGRESSION, ONCE, {**_LINEAR, "positive": FLAG}),
    "Lasso": Estimator("sklearn.linear_model", REGRESSION, ONCE, {**_LINEAR, "positive": FLAG}),
    "ElasticNet": Estimator(
        *("sklearn.linear_model", REGRESSION, ONCE),
        {**_LINEAR, "l1_ratio": between(0, 1), "positive": FLAG},
    ),
    "RandomForestRegressor": Estimator(
        *("sklearn.ensemble", REGRESSION, ROUND, {**_FOREST, "criterion": _ERRORS}),
        *(_GROWING, "n_estimators"),
    ),
    "ExtraTreesRegressor": Estimator(
        *("sklearn.ensemble", REGRESSION, ROUND, {**_FOREST, "criterion": _ERRORS}),
        *(_GROWING, "n_estimators"),
    ),
    "HistGradientBoostingRegressor": Estimator(
        *("sklearn.ensemble", REGRESSION, ROUND),
        {**_BOOSTING, "loss": choice("squared_error", "absolute_error", "poisson", "gamma")},
        *(_BOOSTED, "max_iter"),
        has_missing=True,
    ),
    "DecisionTreeRegressor": Estimator(
        *("sklearn.tree", REGRESSION, ONCE),
        {**_TREE, "criterion": _ERRORS, "splitter": choice("best", "random")},
    ),
    "KNeighborsRegressor": Estimator(
        *("sklearn.neighbors", REGRESSION, ONCE, _NEIGHBORS), has_weights=False, has_seed=False
    ),
    "SVR": Estimator(
        *("sklearn.svm", REGRESSION, ONCE, {**_SUPPORT_VECTORS, "epsilon": at_least(0)}),
        has_seed=False,
    ),
    "MLPRegressor": Estimator(*("sklearn.neural_network", REGRESSION, PASS, _NETWORK), has_weights=False),
}
