"""What `planner COMMAND --help` prints: texts only, so that help appears at once."""

from __future__ import annotations

PROGRAM = """The cheapest way to train a model that really fits and finishes in time, with a proof.

\b
  planner solve scenario.yaml            the answer, for people
  planner solve scenario.yaml --format json
  planner solve portfolio.yaml           rent or buy: many jobs over many months
  planner frontier scenario.yaml         what less time costs: cost against hours
  planner sensitivity scenario.yaml      what would change the plan: limits, prices, memory
  planner what-if scenario.yaml --set limits.deadline=24h
  planner compare a.yaml b.yaml          answers side by side
  planner estimate plan.yaml             what a plan of your own needs, takes and costs
  planner validate runs.csv              predictions beside measured runs
  planner calibrate runs.csv -o own.yaml what your own runs say, for --profile
  planner catalog offers H100 spot       what is known of prices
  planner schema > scenario.schema.json  for editors

Results go to stdout, everything else to stderr. Nothing is fetched from the network.
"""
SOLVE = """Find the best plan for each scenario FILE, prove it, and say why it is the best.

A FILE with `jobs` is a portfolio: all jobs are planned together over the months of its horizon, on machines that are
rented, reserved, owned or bought, for the least net present cost. The answer has every month's cash flow, what buying
needs to pay, what would change the decision, and what each decision costs if things come differently.

\b
Examples:
  planner solve scenario.yaml
  planner solve scenario.yaml --details
  planner solve a.yaml b.yaml --format json > answers.json
  planner solve portfolio.yaml --time-limit 300 --gap 0.02

One FILE with --format json prints one document (see `planner schema answer`, or `planner schema portfolio`). Several
print a list of documents in the order of the files, null for a file that cannot be used.

\b
Exit code:
  0  a plan (its proof says whether it is the best)
  2  bad input
  3  proved that no plan exists
  4  undecided in the time given
Of several files the worst counts: 2 before 4 before 3 before 0.
"""
FRONTIER = """Find the plans of a scenario FILE that nothing beats in both cost and time.

Every point is proved: no plan within the limits costs less in the same time, or takes less at the same cost. Where
there are more than --points of them, the ones shown are spread over the range of time, in equal ratios as far as
points exist; the cheapest and the fastest are always among them. Within a thousandth, plans count as equal.

\b
Examples:
  planner frontier scenario.yaml
  planner frontier scenario.yaml --points 8
  planner frontier scenario.yaml --format json > frontier.json

What --format json prints is described by `planner schema frontier`.

\b
Exit code:
  0  points (their proof says whether they are all that was asked for)
  2  bad input
  3  proved that no plan exists
  4  undecided in the time given
"""
SENSITIVITY = """Find what would change the best plan of a scenario FILE, and what that is worth.

Of every limit (deadline, budget, number of GPUs, GPU memory, accepted risk): what one more saves, from which values on
another plan is the best, and with how little a plan is left. Of every price that the plan pays, and of the offers that
come next: where the plan changes. Then the largest micro-batch and the longest sequence that fit with every other
decision as it is. Each threshold is proved, in steps of a thousandth. Portfolios say such things in `planner solve`.

\b
Examples:
  planner sensitivity scenario.yaml
  planner sensitivity scenario.yaml --format json > sensitivity.json
  planner sensitivity scenario.yaml --time-limit 60

What --format json prints is described by `planner schema sensitivity`.

\b
Exit code:
  0  a plan, and what would change it (its proof says whether that is all)
  2  bad input
  3  proved that no plan exists
  4  undecided in the time given
"""
WHAT_IF = """Change keys of a scenario FILE without editing it, and put the answer beside that of the file as it is.

KEY is the path of any key of the scenario, whether the file has it or not; VALUE is written as in YAML, and null leaves
the key out. Several --set are one change. Positions in lists count from 0. A FILE with `jobs` is a portfolio.

\b
Examples:
  planner what-if scenario.yaml --set limits.deadline=24h
  planner what-if scenario.yaml --set search.method=lora --set search.gpus=8
  planner what-if scenario.yaml --set "search.gpu=[A100 80GB SXM, L40S]"
  planner what-if scenario.yaml --set "offers[0].price=2.10 USD/h"
  planner what-if portfolio.yaml --set jobs[0].data.tokens=2B

Rows that differ are marked. If the changed scenario has no plan, the answer says why, and what would help. What
--format json prints is described by `planner schema comparison`.

\b
Exit code: that of the changed scenario
  0  a plan
  2  bad input: a FILE, or a --set, which is named
  3  proved that no plan exists
  4  undecided in the time given
"""
COMPARE = """Put the answers to several scenarios side by side, or those to one FILE with each of several changes.

\b
Examples:
  planner compare a.yaml b.yaml c.yaml
  planner compare a.yaml --set search.method=lora --set search.method=qlora
  planner compare a.yaml --set limits.deadline=6h --format json > pair.json

Each --set is an answer of its own, beside that of the file as it is; `planner what-if` explains KEY and VALUE. Rows
that differ from the first answer are marked. What --format json prints is described by `planner schema comparison`.

\b
Exit code: the worst of all answers, 2 before 4 before 3 before 0
  0  a plan for each
  2  bad input: a FILE, or a --set, which is named
  3  proved that no plan exists for one
  4  one is undecided in the time given
"""
ESTIMATE = """Estimate the plan that each scenario FILE gives: memory, time, money, and whether it fits.

A FILE gives its plan in a `plan` section, where the plan of `planner solve --format json` can be pasted, or by a search
that leaves one value of each decision. What follows from the rest may be left out; what is missing is said, with the
values allowed. Without an offer the one is taken that serves the plan best; a plan that nobody rents out has no cost.

\b
Examples:
  planner estimate plan.yaml
  planner estimate plan.yaml --details
  planner estimate a.yaml b.yaml --format json > estimates.json

One FILE with --format json prints one document (see `planner schema estimate`). Several print a list of documents in
the order of the files, null for a file that cannot be used.

\b
Exit code:
  0  the plan fits within all limits
  2  bad input: decisions are missing or not legal together
  3  the plan breaks a limit
  4  a budget is given and no price is known
Of several files the worst counts: 2 before 4 before 3 before 0.
"""
VALIDATE = """Predict measured training runs, and compare.

FILE is a table of runs, one a line, whose columns are the decisions of a plan and what was measured. Its format is
described in measurements/published/COLUMNS.md. Every row is predicted as any other plan is: peak memory (allocated,
reserved, of the process), whether it fits its GPU, and speed.

\b
Examples:
  planner validate measurements/published/memory.csv
  planner validate runs.csv --architectures models.csv
  planner validate runs.csv --format json > comparison.json

Rows that are wrong are reported as FILE:LINE column NAME, and all others are compared. Several FILEs are compared as
one. What --format json prints is described by `planner schema validation`.

\b
Exit code:
  0  every row could be read
  2  bad input: a row, or a file, is malformed
"""
CALIBRATE = """Learn from your own measured runs how fast your GPUs are with your software.

RUN is a table of measured runs, as `planner validate` reads it, or a log of the Hugging Face Trainer
(trainer_state.json, train_results.json or all_results.json) with the --scenario whose plan was run, as `planner
estimate` reads it.

Few runs say little: predictions move from published runs towards yours as far as different configurations bear it, and
their range shrinks by as much. `--profile` of solve, frontier, estimate and validate uses what was learned. Errors are
shown before and after, each run predicted by what the others say.

\b
Examples:
  planner calibrate runs.csv
  planner calibrate runs.csv -o profile.yaml
  planner calibrate trainer_state.json --scenario plan.yaml -o profile.yaml
  planner solve scenario.yaml --profile profile.yaml

What --format json prints is described by `planner schema calibration`.

\b
Exit code:
  0  every run could be used, or said nothing of speed
  2  bad input: a run, or a file, is malformed; the profile is not written
"""
SCHEMA = """Print the JSON schema of a scenario file, or of the answers that --format json prints.

\b
Examples:
  planner schema > scenario.schema.json
  planner schema answer
  planner schema portfolio
  planner schema frontier
  planner schema sensitivity
  planner schema comparison
  planner schema estimate
  planner schema validation
  planner schema calibration
"""
FORMULAS = """Print the formulas behind every number: unit, source, validity and error.

\b
Examples:
  planner formulas
  planner formulas activation weight
"""
CATALOG = """List what the catalog knows, or what of it matches every SEARCH word.

Words are looked for in names, aliases and providers; case, blanks and punctuation do not matter.

\b
Examples:
  planner catalog gpus
  planner catalog offers H100 spot
  planner catalog models llama --format json
  planner catalog purchases workstation
"""
