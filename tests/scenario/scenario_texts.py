"""Scenario texts and a reader for the tests of this folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.errors import InputError
from planner.scenario.model import Scenario
from planner.scenario.read import read_scenario_text

TODAY = date(2026, 11, 23)

EXAMPLE = """\
job:
  model: meta-llama/Llama-3.1-8B          # catalog name, or path to a Hugging Face config.json
  data: {tokens: 120M}                    # or {samples: 50k, tokens_per_sample: 800, epochs: 3}
  sequence_length: 4096
  global_batch: 64                        # sequences per optimizer step
search:                                   # every key optional; left out = everything legal
  method: [full, lora, qlora]
  lora: {rank: 16, targets: all-linear}
  compute_dtype: [bf16]
  optimizer: [adamw, adamw-8bit]
  gpu: [RTX 4090, A100 80GB SXM, H100 SXM, H800 SXM]
  max_gpus: 64
  pricing: [on-demand, spot]
limits: {deadline: 48h, budget: 200 USD}
prefer: cost                              # cost | time
"""

JOB = """\
job:
  model: meta-llama/Llama-3.1-8B
  data: {tokens: 120M}
  sequence_length: 4096
  global_batch: 64
"""


def read(text: str, folder: Path = Path()) -> Scenario:
    """The scenario in `text`, read on a fixed day."""
    return read_scenario_text(text, "s.yaml", folder=folder, catalog=load_catalog(), today=TODAY)


def problems(text: str, folder: Path = Path()) -> list[str]:
    """What is wrong with `text`, without the file name."""
    with pytest.raises(InputError) as caught:
        read(text, folder)
    return [str(problem).removeprefix("s.yaml:") for problem in caught.value.problems]
