"""What every command has: --db, -v, -q, a `satcat.toml`, exit codes and an example in its help.

Precedence of an option's value: flag > environment (`SATCAT_<COMMAND>_<OPTION>`) > `satcat.toml` beside the catalogue >
default. The file holds a table for each command, `[download]` with `workers = 2`; `[report.coverage]` for a second word.
"""

from __future__ import annotations

import logging
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from satcat import wording
from satcat.terminal import printable

if TYPE_CHECKING:
    from satcat.catalogue import Catalogue

CommandT = TypeVar("CommandT", bound=click.Command)

#: What each exit code means; a command's help lists those that it can give.
EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "wrong usage or filter",
    3: "the catalogue is missing, of another schema version, or damaged",
    4: "the source cannot be reached",
    5: "credentials are missing or refused",
    6: "incomplete",
    7: "some downloads failed",
    8: "differences are left",
}
CONFIG_NAME = "satcat.toml"
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+),?", re.ASCII)
_EMPTY_OPTION = re.compile(r"--[a-z-]+=")


@dataclass(slots=True)
class Settings:
    """What every command is told."""

    db: str
    verbose: int = 0
    quiet: bool = False

    def say(self, text: str) -> None:
        """Tell people something, on stderr; nothing under -q."""
        if not self.quiet:
            tell(text)

    def open(self, *, create: bool = False) -> Catalogue:
        """Open the catalogue that --db names."""
        from satcat.catalogue import Catalogue

        return Catalogue.open(self.db, create=create)

    @property
    def chosen(self) -> str:
        """`--db PATH ` as one would have to type it to name this catalogue again; empty for the default."""
        return "" if self.db == "satcat.db" else f"--db {shlex.quote(self.shown)} "

    @property
    def shown(self) -> str:
        """--db without a password."""
        return wording.without_password(self.db)


def complain(what: str) -> None:
    """Say in one line on stderr what is wrong."""
    tell("satcat: " + " ".join(what.split()))


def tell(text: str) -> None:
    """Print a line on stderr; that nobody reads there any more is no reason to fail."""
    with suppress(OSError):
        click.echo(printable(text), err=True)


class Coordinates(click.Option):
    """Numbers that may also be typed as words of their own: `--bbox -4 41 -2 43` is `--bbox=-4,41,-2,43`."""

    def __init__(self, *args: Any, numbers: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.numbers = numbers

    def joined(self, args: list[str]) -> list[str]:
        """A command line's words, with the numbers of this option in one."""
        for at, word in enumerate(args):
            values = args[at + 1 : at + 1 + self.numbers]
            given = word in self.opts and all(map(_NUMBER.fullmatch, values))
            if given and len(values) == self.numbers:
                together = ",".join(value.rstrip(",") for value in values)
                return [*args[: at + 1], together, *args[at + 1 + self.numbers :]]
        return args


class Command(click.Command):
    """A command whose help ends in its exit codes and an example."""

    def __init__(self, *args: Any, example: str, exits: Iterable[int] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        self.exits = (0, 1, 2, *exits)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse empty values, as an unset variable of a script leaves them: none is ever meant."""
        for before, arg in zip(["", *args], args, strict=False):
            if not arg or _EMPTY_OPTION.fullmatch(arg):
                name = arg[:-1] or (before if before.startswith("-") else "an argument")
                raise click.UsageError(f"{name}: the value is empty", ctx)
        for param in self.params:
            args = param.joined(args) if isinstance(param, Coordinates) else args
        _refuse_repeats(self.make_parser(ctx).parse_args(list(args))[2], ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, with what it logs going where -v says."""
        _configure_logging(ctx.obj)
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes and the example."""
        _write_end(formatter, self.exits, self.example)


class Group(click.Group):
    """Commands of two words; the help lists them in their order, with their whole first sentences.

    One that does something alone has an example, and exit codes.
    """

    def __init__(
        self, *args: Any, example: str | None = None, exits: Iterable[int] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        self.exits = (0, 1, 2, *exits)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes and the example, if it has one."""
        if self.example is not None:
            _write_end(formatter, self.exits, self.example)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.get_short_help_str(200)) for n, c in self.commands.items()])


def _write_end(formatter: click.HelpFormatter, exits: Iterable[int], example: str) -> None:
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(code), EXIT_CODES[code]) for code in exits])
    with formatter.section("Example"):
        for line in example.strip().splitlines():
            formatter.write(f"{'':{formatter.current_indent}}{line.strip()}\n")


def group(
    commands: Sequence[click.Command], **kwargs: Any
) -> Callable[[Callable[..., Any]], click.Group]:
    """Make a function a group of commands; its docstring is the help."""

    def make(function: Callable[..., Any]) -> click.Group:
        return common(click.group(cls=Group, commands=commands, **kwargs)(function))

    return make


def command(
    *, example: str, exits: Iterable[int] = (), **kwargs: Any
) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its docstring is the help."""

    def make(function: Callable[..., Any]) -> Command:
        return common(click.command(cls=Command, example=example, exits=exits, **kwargs)(function))

    return make


def common(made: CommandT) -> CommandT:
    """Add --db, -v and -q, which mean the same before a command as after it."""
    for add in (
        click.option(
            "--db", metavar="PATH|URL", is_eager=True, callback=_locate, expose_value=False,
            allow_from_autoenv=False,
            help="The catalogue: a file, or a URL: postgresql://user@host/name.  [env: SATCAT_DB; default: satcat.db]",
        ),
        click.option(
            "-v", "--verbose", count=True, callback=_remember, expose_value=False,
            allow_from_autoenv=False, help="Say more; -vv also shows tracebacks.",
        ),
        click.option(
            "-q", "--quiet", is_flag=True, callback=_remember, expose_value=False,
            allow_from_autoenv=False, help="Say nothing but results and errors.",
        ),
    ):  # fmt: skip
        made = add(made)
    return made


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    assert param.name is not None
    if value:
        setattr(ctx.obj, param.name, value)


def _locate(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    """Note --db, and take the command's defaults from the satcat.toml beside that catalogue."""
    if value is not None:
        if not value:
            raise click.UsageError("--db: the value is empty", ctx)
        ctx.obj.db = value
    if not isinstance(ctx.command, click.Group):
        path = _folder(ctx.obj.db) / CONFIG_NAME
        ctx.default_map = _configured(ctx, path) if path.is_file() else None


def _folder(db: str) -> Path:
    """The folder of the catalogue; for a server's catalogue the present one."""
    if "://" in db and not db.startswith("sqlite:///"):
        return Path()
    return Path(db.removeprefix("sqlite:///")).parent


def _configured(ctx: click.Context, path: Path) -> dict[str, Any]:
    """The defaults that a satcat.toml has for the command; unknown names are an error, not ignored."""
    import tomllib

    try:
        section: Any = tomllib.loads(path.read_text("utf-8").removeprefix("\ufeff"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from None
    place = ""
    for group, word in zip(_groups(ctx), ctx.command_path.split()[1:], strict=True):
        what = f"command of [{place}]" if place else "command"
        _refuse_unknown(path, section, group.list_commands(ctx), what)
        for name, value in section.items():
            if not isinstance(value, dict):
                full = f"{place}.{name}".lstrip(".")
                raise click.UsageError(f"{path}: {full} must be a table, [{full}]")
        place = f"{place}.{word}".lstrip(".")
        section = section.get(word, {})
    options = {name: p for p in ctx.command.params if p.expose_value for name in _spellings(p)}
    _refuse_unknown(path, section, options, f"option of [{place}]")
    return {
        str(options[name].name): _value(options[name], value, f"{path}: {name} of [{place}]")
        for name, value in section.items()
    }


def _refuse_repeats(given: Sequence[click.Parameter], ctx: click.Context) -> None:
    """Refuse a second value where only one is meant: taking the last would ignore the first without a word."""
    for param in given:
        if not isinstance(param, click.Option) or param.multiple or param.count:
            continue
        either_way = bool(param.secondary_opts)
        if given.count(param) > 1 and (either_way or not param.is_flag):
            named = " or ".join((*param.opts, *param.secondary_opts))
            raise click.UsageError(f"{named}: give it once", ctx)


def _groups(ctx: click.Context) -> list[click.Group]:
    """The groups that a command stands in, the outermost first."""
    found: list[click.Group] = []
    while ctx.parent is not None:
        ctx = ctx.parent
        if isinstance(ctx.command, click.Group):
            found.insert(0, ctx.command)
    return found


def _spellings(param: click.Parameter) -> list[str]:
    """How an option may be named in the file: `max-delete` or `max_delete`."""
    long = [opt.removeprefix("--") for opt in param.opts if opt.startswith("--")]
    return [*long, *(opt.replace("-", "_") for opt in long if "-" in opt)]


def _value(param: click.Parameter, value: Any, where: str) -> Any:
    """What would be typed for a value; an option that can be repeated takes one or a list."""
    if isinstance(param, click.Option) and param.multiple:
        return [_typed(v, where) for v in (value if isinstance(value, list) else [value])]
    return _typed(value, where)


def _typed(value: Any, where: str) -> Any:
    if isinstance(value, (dict, list)):
        raise click.UsageError(f"{where}: give one value, not a list or a table")
    return value if isinstance(value, bool) else str(value)


def _refuse_unknown(path: Path, found: Iterable[str], known: Iterable[str], what: str) -> None:
    known = list(known)
    for name in found:
        if name not in known:
            raise click.UsageError(f"{path}: {name!r} is no {what}; there are: {', '.join(known)}")


class _Handler(logging.Handler):
    """Log lines on stderr, above progress bars if there are any."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        progress = sys.modules.get("satcat.progress")  # loaded only where there are bars
        if progress is not None:
            progress.write(text)
        else:
            tell(text)


def _configure_logging(settings: Settings) -> None:
    logger = logging.getLogger("satcat")
    level = logging.DEBUG if settings.verbose else logging.WARNING
    logger.setLevel(logging.ERROR if settings.quiet and not settings.verbose else level)
    handler = _Handler()
    form = "%(asctime)s %(message)s" if settings.verbose else "satcat: %(message)s"
    handler.setFormatter(logging.Formatter(form, "%H:%M:%S"))
    logger.handlers = [handler]
