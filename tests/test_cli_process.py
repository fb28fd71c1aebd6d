"""The command line as a process: how it ends early, what it imports, how it treats terminals and encodings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_runs import ROOT, finish, run, start, write_scenarios

from planner import console
from planner.errors import CatalogError, DisagreementError, ExitCode
from planner.report.page import Page


def _import_interrupted() -> ImportError:
    """What Ctrl-C becomes while a compiled module is imported."""
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt()
    return error


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a good, an impossible and a bad scenario."""
    write_scenarios(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (_import_interrupted(), 130, "Interrupted.\n"),
        (CatalogError("gpus.yaml: broken"), ExitCode.BAD_INPUT, "catalog: gpus.yaml: broken\n"),
        (DisagreementError("memory differs"), 1, "This is a bug in planner"),
    ],
)
def test_what_ends_a_search_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    """Ctrl-C, a broken catalog, a disagreement of solver and estimator."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("planner.commands.solve.solve", fail)
    result = run("solve", "good.yaml")
    assert result.exit_code == code
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_ctrl_c_ends_the_process() -> None:
    """The real signal while the program waits: exit code 130 and one line, no traceback.

    A job in the background inherits that the signal is ignored, hence the handler.
    """
    program = (
        "import os, signal, threading, time\n"
        "from planner import cli\n"
        "import planner.catalog\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def wait():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(10)\n"
        "planner.catalog.load_catalog = wait\n"
        "cli.app(['catalog', 'gpus'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=environment, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (console.INTERRUPTED, "", "Interrupted.\n")


def test_a_reader_that_goes_away_ends_the_process_quietly() -> None:
    """`planner catalog offers | head -1`: nothing on stderr."""
    process = start("catalog", "offers", "--format", "json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), error) == (console.NO_READER, "")


def test_a_full_disk_is_one_line() -> None:
    """Output that cannot be written is told, without a traceback."""
    if not Path("/dev/full").exists():
        return
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "planner", "schema"]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, encoding="utf-8", env=environment, check=False
        )
    assert done.returncode == console.INTERNAL_ERROR
    assert done.stderr.startswith("cannot write the result: ")
    assert done.stderr.count("\n") == 1


def test_names_that_the_encoding_lacks_do_not_stop_the_output() -> None:
    """Chinese provider names on an ASCII stdout become question marks."""
    code, out, err = finish(start("catalog", "offers", "CNY", env={"PYTHONIOENCODING": "ascii"}))
    assert (code, err) == (0, "")
    assert "?" in out


def test_help_and_listings_never_load_the_solver() -> None:
    """OR-Tools and numpy cost most of the start-up time: they are imported to solve only."""
    for arguments, heavy in (
        (["--help"], ("ortools", "numpy", "pydantic", "rich")),
        (["catalog", "gpus"], ("ortools",)),
        (["schema", "answer"], ("ortools",)),
        (["schema", "frontier"], ("ortools",)),
        (["formulas"], ("ortools",)),
    ):
        program = (
            "import sys\n"
            "from planner import cli\n"
            f"try:\n    cli.app({arguments!r})\n"
            f"finally:\n    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=60, check=False)
        assert done.stderr.strip() == "[]", arguments


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """None in a pipe, none with NO_COLOR, some on a terminal; the words are the same."""
    page = Page()
    page.heading("Title", "[red]text[/red]")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    console.print_page(page)
    plain = capsys.readouterr().out
    monkeypatch.setattr(console, "is_terminal", lambda stream: stream is sys.stdout)
    console.print_page(page)
    coloured = capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    console.print_page(page)
    uncoloured = capsys.readouterr().out
    assert plain == "Title: [red]text[/red]\n"
    assert "\x1b[1m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == re.sub(r"\x1b\[[0-9;]*m", "", uncoloured) == plain


def test_progress_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that is overwritten and removed; nothing in a log."""
    for watched in (False, True):
        monkeypatch.setattr(console, "is_terminal", lambda _, watched=watched: watched)
        progress = console.Progress()
        progress("RTX 4090: 7 offers")
        progress.clear()
        written = capsys.readouterr()
        assert written.out == ""
        assert written.err == ("\r\x1b[KRTX 4090: 7 offers\r\x1b[K" if watched else "")
