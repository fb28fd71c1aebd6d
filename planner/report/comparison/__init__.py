"""Answers side by side: the facts as rows, the document, its schema, and the page made of it."""
