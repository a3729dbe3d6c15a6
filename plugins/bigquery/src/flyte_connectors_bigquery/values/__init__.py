"""Values of BigQuery's types: `types` of parameters, `parameters` going in, `columns` coming back."""
