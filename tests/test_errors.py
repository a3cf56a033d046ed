"""The error tree: what a command's exit code and its one line are made from."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from satcat import errors
from satcat.errors import SatcatError

CLASSES = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SatcatError)
]

#: An example of each argument that an error may be made from.
EXAMPLES = {
    "actual": "00ff",
    "algorithm": "MD5",
    "detail": "Invalid field",
    "expected": "0001",
    "extra": "parquet",
    "found": "0002",
    "holder": "satcat sync (process 17 on here)",
    "instant": "2024-06-01T00:00:00.000000Z",
    "library": "pyarrow",
    "limit": 100,
    "minutes": 40,
    "missing": 5000,
    "name": "S2A.zip",
    "path": "products/S2A.zip",
    "reason": "connection refused",
    "received": 7,
    "retry_after": 2.5,
    "status": 422,
    "what": "2 pages",
    "where": "satcat.db",
    "why": "timed out",
}


def example(kind: type[SatcatError]) -> SatcatError:
    names = [name for name in inspect.signature(kind.__init__).parameters if name in EXAMPLES]
    return kind(*(EXAMPLES[name] for name in names)) if names else kind("there is no tile 99XXX")


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling_and_copying(kind):
    error = example(kind)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert twin.args == error.args
        assert vars(twin) == vars(error)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_one_line_that_names_what_it_was_given(kind):
    error = example(kind)
    said = str(error)
    assert said
    assert "\n" not in said
    left_out = [arg for arg in error.args if str(arg) not in said]
    assert left_out in ([], [2.5])  # the wait is the retry loop's business


def test_every_error_is_drawn_in_the_tree_with_its_exit_code():
    drawn = errors.__doc__ or ""
    missing = [kind.__name__ for kind in CLASSES if kind.__name__ not in drawn]
    assert missing == []
    for line in drawn.splitlines():
        name, *rest = line.split() or [""]
        numbers = [int(word) for word in rest if word.isdigit()]
        if hasattr(errors, name) and numbers:
            assert getattr(errors, name).exit_code == numbers[0], name


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.SatcatError, 1),
        (errors.CatalogueLockedError, 1),
        (errors.FilterError, 2),
        (errors.TimeError, 2),
        (errors.FootprintError, 2),
        (errors.TileError, 2),
        (errors.CatalogueMissingError, 3),
        (errors.CatalogueForeignError, 3),
        (errors.CatalogueOutdatedError, 3),
        (errors.CatalogueDamagedError, 3),
        (errors.SourceUnavailableError, 4),
        (errors.RateLimitedError, 4),
        (errors.MalformedResponseError, 4),
        (errors.CredentialsError, 5),
        (errors.DeleteLimitError, 6),
        (errors.NotMirroredError, 6),
        (errors.ListingTooDenseError, 6),
        (errors.DownloadsFailedError, 7),
        (errors.DifferencesError, 8),
    ],
)
def test_exit_codes_are_those_that_scripts_rely_on(kind, code):
    assert kind.exit_code == code


def test_the_starred_errors_and_no_others_are_retryable():
    drawn = (errors.__doc__ or "").replace(",", " ").split()
    starred = {word.rstrip("*") for word in drawn if word.endswith("*")}
    assert {kind.__name__ for kind in CLASSES if kind.retryable} == starred


def test_a_wrong_filter_is_a_value_error_too():
    assert issubclass(errors.FilterError, ValueError)


def test_an_outdated_catalogue_is_told_the_command_that_helps():
    old = errors.CatalogueOutdatedError("my.db", "0001", "0002")
    new = errors.CatalogueOutdatedError("my.db", "0003", "0002")
    assert "satcat --db my.db db upgrade" in str(old)
    assert str(new).endswith("upgrade satcat")
