"""Documentation that cannot rot: every command has help, an example and a place in the README; what is shown there works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from satcat import cli, times
from satcat.cli.frame import EXIT_CODES, Command, Group
from satcat.database import Database
from satcat.products import SatelliteImage
from satcat.sandbox import Sandbox
from satcat.schema import EXAMPLES
from satcat.sync import store
from tests.engines import plainly

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def commands() -> Iterator[tuple[str, Command]]:
    """Every command with its words, `report coverage`."""
    ctx = click.Context(cli.satcat)
    for name in cli.COMMANDS:
        command = cli.satcat.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from (
                (f"{name} {word}", sub)
                for word, sub in command.commands.items()
                if isinstance(sub, Command)
            )
        else:
            assert isinstance(command, Command)
            yield name, command


ALL = dict(commands())
every_command = pytest.mark.parametrize("words", ALL)


def parses(line: str) -> None:
    """Parse a command line of satcat as far as its own options; run nothing."""
    words = [word for word in shlex.split(line) if "=" not in word or word.startswith("-")]
    assert words.pop(0) == "satcat"
    name = next(
        known for known in (" ".join(words[:2]), words[0]) if known in ALL or known in cli.COMMANDS
    )
    if name not in ALL:
        return  # `satcat queue`: a group alone
    command = ALL[name]
    command.make_parser(click.Context(command)).parse_args(words[len(name.split()) :])


@every_command
def test_every_command_has_help_and_an_example_that_parses(words: str) -> None:
    command = ALL[words]
    assert command.help
    lines = [line.strip() for line in command.example.strip().splitlines()]
    mine = [line for line in lines if f"satcat {words}" in line]
    assert mine, f"no example of satcat {words}"
    for line in lines:
        for part in re.findall(r"satcat [^|&>]+", line):
            if not part.startswith("satcat-"):
                parses(part)


@every_command
def test_every_option_has_help(words: str) -> None:
    for param in ALL[words].params:
        if isinstance(param, click.Option):
            assert param.help, param.opts


@every_command
def test_every_command_has_a_place_in_the_readme(words: str) -> None:
    assert re.search(rf"`satcat {words}\b", README)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    command = cli.satcat.get_command(click.Context(cli.satcat), name)
    assert command is not None
    assert command.get_short_help_str(limit=200).rstrip(".") == cli.COMMANDS[name].rstrip(".")


def test_the_readme_lists_every_exit_code() -> None:
    for code, meaning in EXIT_CODES.items():
        assert re.search(rf"^\| {code} \| .*{meaning.split()[0]}", README, re.MULTILINE)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    from satcat import errors

    raised = {
        value.exit_code
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.SatcatError)
    }
    assert raised <= set(EXIT_CODES)


def test_the_readme_names_every_filter() -> None:
    options = {opt for param in ALL["query"].params for opt in (*param.opts, *param.secondary_opts)}
    own = {
        "--sort",
        "--limit",
        "--latest",
        "--best",
        "--per",
        "--covers",
        "--not-downloaded",
        "--strict",
        "--columns",
        "--format",
        "--output",
    }
    for option in options - own - {"--db", "--verbose", "--quiet", "-v", "-q", "-f", "-o"}:
        assert option in README


@pytest.mark.parametrize("line", re.findall(r"^\$ (satcat .*)$", README, re.MULTILINE))
def test_what_the_readme_types_parses(line: str) -> None:
    parses(line)


def test_the_readmes_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with Sandbox(products=1000) as source:
        for name, value in source.environment.items():
            monkeypatch.setenv(name, value)
        exec(compile(block, "README.md", "exec"), {})
    files = list((tmp_path / "products").glob("*.zip"))
    assert len(files) == len(capsys.readouterr().out.splitlines()) > 0


def test_the_readmes_sql_marks_products(
    address: str, database: Database, make_product: Callable[..., SatelliteImage]
) -> None:
    marking, _ = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    with database.write() as connection:
        store.store(connection, [make_product()], scope_id=None, at=times.now())
    counted = "SELECT count(*) FROM downloads WHERE status = 'queued'"
    assert plainly(address, *marking.split(";\n"), counted) == [(1,)]


def test_the_readmes_reports_are_those_of_the_schema_page_which_are_run() -> None:
    _, reports = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    assert reports == "\n".join(f"-- {each.question}\n{each.sql};\n" for each in EXAMPLES[:5])


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_group_that_does_something_alone_ends_its_help_as_commands_do(name: str) -> None:
    ctx = click.Context(cli.satcat)
    command = cli.satcat.get_command(ctx, name)
    if isinstance(command, Group) and command.invoke_without_command:
        assert command.example is not None and f"satcat {name}\n" in f"{command.example}\n"
        said = command.get_help(click.Context(command))
        assert "Exit codes:\n" in said and "Example:\n" in said
