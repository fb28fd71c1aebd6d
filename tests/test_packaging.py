"""The wheel: it has everything that it needs, and works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

import planner

ROOT = Path(__file__).parents[1]


def run(*command: str, folder: Path, **environment: str) -> str:
    """What a command prints on stdout."""
    everything = os.environ | environment
    done = subprocess.run(command, cwd=folder, env=everything, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """A wheel of the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), folder=ROOT)
    (path,) = folder.glob("*.whl")
    with ZipFile(path) as archive:
        yield archive


def test_it_contains_the_package_and_the_catalogs(wheel: ZipFile) -> None:
    """All modules, all catalogs, the marker of typed packages and the licence; no tests, no scenarios."""
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "planner").rglob("*.py")} | {"planner/py.typed"}
    expected |= {f"planner/catalogs/{path.name}" for path in (ROOT / "catalogs").iterdir()}
    info = f"gpu_training_planner-{planner.__version__}.dist-info"
    files = {name for name in wheel.namelist() if not name.startswith(info)}
    assert files == expected
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def test_its_metadata(wheel: ZipFile) -> None:
    """Version, Python version and command are those of the project."""
    info = f"gpu_training_planner-{planner.__version__}.dist-info"
    metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert metadata["Version"] == planner.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "planner = planner.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()


def test_it_works_outside_the_checkout(wheel: ZipFile, tmp_path: Path) -> None:
    """Unpacked elsewhere it reads its own catalogs, and plans."""
    wheel.extractall(tmp_path)
    scenario = tmp_path / "scenario.yaml"
    scenario.write_bytes((ROOT / "scenarios" / "7b-qlora-4090.yaml").read_bytes())
    python = (sys.executable, "-m", "planner")
    here = str(tmp_path)
    place = run(sys.executable, "-c", "import planner; print(planner.__file__)", folder=tmp_path, PYTHONPATH=here)
    assert Path(place.strip()).is_relative_to(tmp_path)
    assert "RTX 4090" in run(*python, "catalog", "gpus", "4090", folder=tmp_path, PYTHONPATH=here)
    assert "QLoRA" in run(*python, "solve", str(scenario), folder=tmp_path, PYTHONPATH=here)
