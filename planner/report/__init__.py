"""Answers, catalogs and formulas as text for people and as documents for programs."""
