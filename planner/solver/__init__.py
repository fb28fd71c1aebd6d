"""The CP-SAT side: tables of the estimator's formulas, the model, the search for the proved best plan."""
