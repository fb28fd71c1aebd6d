"""Bodies of commands that are more than a few calls: what lies between the command line and the rest."""
