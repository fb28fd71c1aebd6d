"""Where text goes: results to stdout, everything else to stderr, and what ends a command early."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from planner.errors import CatalogError, DisagreementError, ExitCode, InputError

if TYPE_CHECKING:
    from planner.report.page import Page

PLAIN_WIDTH = 80
WIDEST = 120
INTERNAL_ERROR = 1
INTERRUPTED = 130
NO_READER = 141
"""128 and the number of the signal, as shells count."""


def is_terminal(stream: TextIO) -> bool:
    """Whether someone watches; a closed stream has no watcher."""
    return not stream.closed and stream.isatty()


def page_width() -> int:
    """80, or the width of the terminal up to 120."""
    return min(WIDEST, shutil.get_terminal_size().columns) if is_terminal(sys.stdout) else PLAIN_WIDTH


def ascii_only() -> bool:
    """Whether bars must be drawn with ASCII: not on a terminal, or on one that is not UTF-8."""
    return not is_terminal(sys.stdout) or (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"


def print_page(page: Page) -> None:
    """A page on stdout, in colour where it is a terminal and NO_COLOR is not set."""
    write(_styled(page) if is_terminal(sys.stdout) else page.plain())


def _styled(page: Page) -> str:
    from rich.console import Console

    buffer = StringIO()
    console = Console(file=buffer, force_terminal=True, width=page.width, legacy_windows=False)
    for line in page.lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False, emoji=False)
    return buffer.getvalue()


def print_json(value: Any) -> None:
    """A value as one JSON document on stdout, in a form that does not change from run to run."""
    write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write(text: str) -> None:
    """Text on stdout; characters that its encoding lacks become question marks."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
    sys.stdout.flush()


def tell(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr)


Listener = Callable[[str], None]
"""Who is told what is being done."""


class Progress:
    """One line on stderr that is overwritten; nothing where nobody watches."""

    def __init__(self) -> None:
        self.shown = is_terminal(sys.stderr)

    def __call__(self, text: str) -> None:
        """Replace the line."""
        if self.shown:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{text if text.isprintable() else ascii(text)}"[: width + 4])
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def tell_problems(error: InputError) -> None:
    """Every problem on its own line, then how many there are and where."""
    for problem in error.problems:
        tell(str(problem))
    files = list(dict.fromkeys(problem.file for problem in error.problems))
    count = len(error.problems)
    tell(f"{count} problem{'' if count == 1 else 's'} in {', '.join(files)}")


@contextmanager
def guarded() -> Iterator[None]:
    """Ends the process with one line and the right code for whatever a user can cause.

    Bad input and broken catalogs: 2. A disagreement between solver and estimator: 1. Ctrl-C: 130. A reader that went
    away (`planner solve ... | head`): 141, as if the signal had ended the process.
    """
    try:
        yield
        sys.stdout.flush()
    except InputError as error:
        tell_problems(error)
        sys.exit(ExitCode.BAD_INPUT)
    except CatalogError as error:
        tell(f"catalog: {error}")
        sys.exit(ExitCode.BAD_INPUT)
    except DisagreementError as error:
        tell(f"This is a bug in planner, so no answer is given: {error}. Please report it with your scenario.")
        sys.exit(INTERNAL_ERROR)
    except KeyboardInterrupt:
        interrupted()
    except ImportError as error:
        if not isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise
        interrupted()  # compiled modules turn Ctrl-C during their import into an ImportError
    except BrokenPipeError:
        _discard_stdout()
        sys.exit(NO_READER)
    except OSError as error:
        _discard_stdout()
        tell(f"cannot write the result: {error.strerror}")
        sys.exit(INTERNAL_ERROR)


def _discard_stdout() -> None:
    """What is still buffered must not fail again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interrupted() -> NoReturn:
    """Ends the process after Ctrl-C."""
    tell("Interrupted.")
    sys.exit(INTERRUPTED)
