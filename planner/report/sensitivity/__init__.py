"""What would change an answer, as a document and as a page."""
