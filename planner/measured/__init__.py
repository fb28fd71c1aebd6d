"""Measured training runs: the file format, and the models' predictions of such runs."""
