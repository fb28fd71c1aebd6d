"""Memory, time and money of a plan: pure functions of the job and of named decisions."""
