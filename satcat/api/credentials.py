"""Whose account it is: given, or from the environment, or from ~/.netrc."""

from __future__ import annotations

import netrc
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from satcat.api.failures import host_of
from satcat.errors import CredentialsError

_HOW = "set CDSE_USERNAME and CDSE_PASSWORD, or put the account into ~/.netrc"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account; the password stays out of every text."""

    username: str
    password: str = field(repr=False)
    totp: str | None = field(default=None, repr=False)


def credentials_from_environment(token_url: str) -> Credentials:
    """CDSE_USERNAME, CDSE_PASSWORD and CDSE_TOTP; else the entry of the token URL's host in ~/.netrc.

    The entry may also be named by the whole token URL, as CDSETool writes it. A `default` entry is not taken, and no entry
    of another host: a password goes only where it belongs.

    Raises:
        CredentialsError: there are none, or ~/.netrc cannot be read.
    """
    username, password = os.environ.get("CDSE_USERNAME"), os.environ.get("CDSE_PASSWORD")
    totp = os.environ.get("CDSE_TOTP") or None
    if username and password:
        return Credentials(username, password, totp)
    if username or password:
        there, missing = "CDSE_USERNAME", "CDSE_PASSWORD"
        if not username:
            there, missing = missing, there
        raise CredentialsError(f"{there} is set, but {missing} is not: set both")
    found = _from_netrc(token_url)
    if found is None:
        raise CredentialsError(f"no account for {host_of(token_url)}: {_HOW}")
    return Credentials(*found, totp)


def _from_netrc(token_url: str) -> tuple[str, str] | None:
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        hosts = netrc.netrc(path).hosts
    except FileNotFoundError:
        return None
    except netrc.NetrcParseError as error:  # its text quotes the file
        raise CredentialsError(f"{path} is malformed in line {error.lineno}: {_HOW}") from None
    except UnicodeError:
        raise CredentialsError(f"{path} is no text: {_HOW}") from None
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read ({error.strerror}): {_HOW}") from None
    for machine in (urlsplit(token_url).hostname or "", token_url):
        login, _, password = hosts.get(machine) or ("", "", "")
        if login and password:
            return login, password
    return None
