"""Files that are no scenario at all are refused without being read whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenario_texts import JOB, TODAY

from planner.catalog import load_catalog
from planner.errors import InputError
from planner.scenario.read import read_scenario
from planner.scenario.source import MOST_BYTES, read_text


def refusal(path: Path) -> str:
    """The only problem of a file, without its folder."""
    with pytest.raises(InputError) as caught:
        read_scenario(path, catalog=load_catalog(), today=TODAY)
    assert len(caught.value.problems) == 1
    return str(caught.value).replace(str(path.parent) + "/", "")


def test_a_file_of_50_mb_is_refused_by_its_size(tmp_path: Path) -> None:
    """No more than the largest size is read, so that 50 MB (sparse) are refused at once."""
    path = tmp_path / "big.yaml"
    with path.open("wb") as stream:
        stream.truncate(50_000_000)
    assert refusal(path) == "big.yaml: larger than 256 KiB. A scenario is a short text; is this the right file?"


def test_the_largest_size_is_still_read(tmp_path: Path) -> None:
    """A file of exactly the largest size is read; one byte more is refused."""
    path = tmp_path / "edge.yaml"
    path.write_text("x" * MOST_BYTES)
    assert len(read_text(path)) == MOST_BYTES
    path.write_text("x" * (MOST_BYTES + 1))
    assert "larger than" in refusal(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x7fELF\x02\x01\0\0\0", "b.yaml: not a text file. A scenario is YAML text in UTF-8"),
        (b"job:\n  model: \xff\xfe\n", "b.yaml:2:10: not UTF-8 text. Save the file as UTF-8"),
        ("job: x".encode("utf-16"), "b.yaml: not a text file. A scenario is YAML text in UTF-8"),
        (b"", 'b.yaml: the file is empty. A scenario starts with "job:"'),
    ],
)
def test_binary_files_are_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    """Bytes that are no UTF-8 text are refused, with the place of the first wrong byte where there is one."""
    (tmp_path / "b.yaml").write_bytes(content)
    assert refusal(tmp_path / "b.yaml") == expected


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    """A missing file lists the YAML files beside it; a folder lists those inside."""
    (tmp_path / "other.yaml").write_text(JOB)
    assert refusal(tmp_path / "this.yaml") == "this.yaml: no such file. YAML files there: other.yaml"
    assert "a directory, not a file. YAML files there: other.yaml" in refusal(tmp_path)
    assert refusal(tmp_path / ("n" * 5000)).endswith("cannot be read: File name too long")
    assert refusal(tmp_path / "a\0b").endswith("not a possible file name")


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + JOB.encode())
    assert read_scenario(tmp_path / "bom.yaml", catalog=load_catalog(), today=TODAY).name == "bom"
