"""What the user asks: scenario files, read and checked."""
