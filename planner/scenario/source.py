"""From a file to its text, whatever the file is."""

from __future__ import annotations

from pathlib import Path

from planner.errors import InputError, Problem

MOST_BYTES = 256 * 1024


def read_text(path: Path) -> str:
    """The text of a UTF-8 file of at most 256 KiB; never reads more than that.

    Error: InputError if the file is missing, a directory, unreadable, too large or not text.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _refusal(path, *_why_unreadable(path, error)) from None
    if len(content) > MOST_BYTES:
        raise _refusal(
            path, f"larger than {MOST_BYTES // 1024} KiB", "A scenario is a short text; is this the right file?"
        )
    return _decoded(path, content)


def _decoded(path: Path, content: bytes) -> str:
    """The text of `content`; bytes that are no text are reported with their place."""
    if b"\0" in content:
        raise _refusal(path, "not a text file", "A scenario is YAML text in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        hint = "Save the file as UTF-8"
        raise InputError([Problem(str(path), line, column, "", "not UTF-8 text", hint)]) from None


def _why_unreadable(path: Path, error: OSError | ValueError) -> tuple[str, str]:
    """Message and hint for a file that cannot be opened."""
    match error:
        case FileNotFoundError():
            return "no such file", _similar_files(path)
        case IsADirectoryError():
            return "a directory, not a file", _similar_files(path / "scenario.yaml")
        case PermissionError():
            return "cannot be read: permission denied", ""
        case OSError():
            return f"cannot be read: {error.strerror}", ""
    return "not a possible file name", ""


def _similar_files(path: Path) -> str:
    """The YAML files where this one was looked for."""
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml"))
    except OSError:
        return ""
    return "YAML files there: " + ", ".join(names[:8]) if names else ""


def _refusal(path: Path, message: str, hint: str) -> InputError:
    """One problem of the file as a whole."""
    return InputError([Problem(str(path), 0, 0, "", message, hint)])
