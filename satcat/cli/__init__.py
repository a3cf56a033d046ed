"""The command `satcat`: the only place, with its sub-modules, that knows click.

Each command is one module, loaded when it is called, so that `satcat --help` starts at once. What went wrong is one line
on stderr and an exit code; `frame.EXIT_CODES` says what each means.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from click.exceptions import NoSuchCommand

from satcat import memory
from satcat.cli.frame import Settings, common, complain
from satcat.errors import SatcatError

#: Each command with the first sentence of its help, in the order of the way through a catalogue.
COMMANDS = {
    "sync": "Mirror products of the source, and follow what changes there.",
    "scopes": "Show or remove what is mirrored.",
    "status": "Show how complete and how old the mirror is, and what the queue holds.",
    "verify": "Show that the mirror holds exactly what the source lists.",
    "query": "Pick products, offline.",
    "show": "Show all that is known of one product, offline.",
    "export": "Write products to a file for QGIS, DuckDB or pandas, offline.",
    "sql": "Run one read-only SQL statement on the catalogue.",
    "schema": "Explain the catalogue's tables and columns.",
    "report": "Report what the mirror covers.",
    "tiles": "Look tiles up, by name or by where they are.",
    "mark": "Ask for products to be downloaded.",
    "unmark": "Take products without a file out of the download queue.",
    "download": "Download what is marked, and check every file.",
    "queue": "Show the download queue, or try failed downloads again.",
    "adopt": "Take over products that are on disk already: check them, and record the right ones as done.",
    "copy": "Copy a catalogue into a new one, and show that both are equal.",
    "db": "Upgrade, check or copy the catalogue file.",
    "demo": "Show the whole way on a pretend source: no network, no account.",
    "sandbox": "Run the pretend source, for trying things out.",
}


class SatcatGroup(click.Group):
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        if cmd_name not in COMMANDS:
            if not cmd_name.startswith("-"):
                raise NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)
            return None
        command = import_module(f"satcat.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; if its reader leaves, that is no failure, as click would have it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return _left_alone()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        click.echo(f"satcat {version('satcat-mirror')}")
        ctx.exit()


@common
@click.group(
    cls=SatcatGroup,
    epilog="`satcat COMMAND --help` explains a command and ends in an example.",
    context_settings={"auto_envvar_prefix": "SATCAT", "max_content_width": 100},
    invoke_without_command=True,
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
    allow_from_autoenv=False, help="Show the version.",
)  # fmt: skip
@click.pass_context
def satcat(ctx: click.Context) -> None:
    """Keep a local mirror of a satellite product catalogue, pick from it offline with SQL, download what is marked."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """Run the command line of this process, and leave with its exit code.

    A short command has next to nothing for the garbage collector, which would look through all that its libraries brought
    once more at the end.
    """
    memory.collect_seldom()
    _heed_signals()
    _prepare_streams()
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def _prepare_streams() -> None:
    """Let nothing that is printed be an error: closed streams swallow it, narrow character sets get escapes."""
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(args: list[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong is told in one line on stderr."""
    settings = Settings(db=os.environ.get("SATCAT_DB") or "satcat.db")
    try:
        code = satcat.main(args, prog_name="satcat", standalone_mode=False, obj=settings)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        complain(_usage(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        complain("stopped; run the same command again to go on")
        return 130
    except BrokenPipeError:
        return _left_alone()
    except SatcatError as error:
        _show_traceback(settings)
        complain(str(error) or type(error).__name__)
        return error.exit_code
    except OSError as error:
        _show_traceback(settings)
        about = f" ({error.filename})" if error.filename else ""
        complain(f"reading or writing failed{about}: {error.strerror or error}")
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort: one line instead of a traceback
        _show_traceback(settings)
        what = f"{type(error).__name__}: {error}"
        complain(f"unexpected {what}; run again with -vv, and please report this")
        return 1
    return code if isinstance(code, int) else 0


def _left_alone() -> int:
    """Whoever read what was printed has left, as `head` does: the exit code that a shell gives a process for it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
    return 141  # 128 and SIGPIPE


def _usage(error: click.ClickException) -> str:
    """What click complains of, with the command whose help tells more."""
    message = error.format_message().rstrip(".")
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} (see `{ctx.command_path} --help`)" if ctx else message


def _show_traceback(settings: Settings) -> None:
    if settings.verbose >= 2:
        import traceback

        traceback.print_exc()


def _heed_signals() -> None:
    """Let Ctrl-C, a polite kill and a closed terminal stop a command in order, and a second Ctrl-C at once.

    What is ignored already, as nohup has it, stays ignored.
    """
    for number in _stop_signals():
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop_signals() -> list[signal.Signals]:
    return [
        signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
    ]


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in _stop_signals():  # a closed terminal sends several
        # by the system itself, for Python hears of no signal while SQLite waits for a lock
        signal.signal(each, signal.SIG_DFL if each == signal.SIGINT else signal.SIG_IGN)
    raise KeyboardInterrupt
