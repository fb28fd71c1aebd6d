"""What would change the answer to one job: limits, prices, and how far the plan itself reaches."""
