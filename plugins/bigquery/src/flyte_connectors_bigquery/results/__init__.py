"""What a job gives: its `outputs`, and the `tables` that they name, read as frames."""
