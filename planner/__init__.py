"""planner: the cheapest GPU training plan that fits and finishes in time, with a proof."""

__version__ = "0.1.0"
