"""What eodag or CDSETool takes to list a source, or to fetch from it: run by the Python of the environment that has them.

    python benchmarks/foreign.py list eodag http://127.0.0.1:1234/odata/v1
    python benchmarks/foreign.py fetch CDSETool http://127.0.0.1:1234/odata/v1 FOLDER FILES ID...

Needs nothing of satcat. eodag is led to the source by its configuration alone: its provider `cop_dataspace` with other URLs
and without a log-in. CDSETool has CDSE's addresses in its code: the address of its first page is altered, and for a download
the function that makes the address of a product; a plain session stands in for its log-in. Prints JSON: the number of
products, seconds, and seconds of CPU, of the listing or the download alone, without the start of Python.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
import time
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

_CDSETOOLS = "https://catalogue.dataspace.copernicus.eu/odata/v1"


def _eodag(url: str) -> Any:
    """eodag, with its provider led to ours; it keeps its files in a folder of its own, and asks no other network."""
    home = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {"HOME": home, "EODAG_CFG_DIR": home, "EODAG_EXT_COLLECTIONS_CFG_URI": ""}
    library = import_module("eodag")
    library.setup_logging(0)  # no bars of progress

    link = f"{url}/Products({{uid}})/$value"
    search = {
        "api_endpoint": f"{url}/Products",
        "metadata_mapping": {"eodag:download_link": link},
    }
    asked = library.EODataAccessGateway()
    ours = {"search": search, "download": {"extract": False}, "auth": None}
    asked.update_providers_config(dict_conf={"cop_dataspace": ours})
    asked.set_preferred_provider("cop_dataspace")
    return asked


def list_eodag(asked: Any) -> int:
    # the source gives all that it has for any type of product
    return len(asked.search_all(collection="S2_MSI_L2A", provider="cop_dataspace"))


def fetch_eodag(asked: Any, url: str, folder: str, files: int, ids: list[str]) -> int:
    library = import_module("eodag")
    found = [
        library.EOProduct("cop_dataspace", {
            "id": id, "title": id, "geometry": "POINT (0 0)", "order:status": "succeeded",
            "eodag:download_link": f"{url}/Products({id})/$value",
        }, collection="S2_MSI_L2A")
        for id in ids
    ]  # fmt: skip
    for product in found:
        asked._setup_downloader(product)  # noqa: SLF001 - a search does this
    return len(
        asked.download_all(library.SearchResult(found), output_dir=folder, max_workers=files)
    )


def list_cdsetool(url: str) -> int:
    found = import_module("cdsetool.query").query_features(
        "SENTINEL-2", {}, options={"expand_attributes": True}
    )
    assert found.next_url is not None and _CDSETOOLS in found.next_url
    found.next_url = found.next_url.replace(_CDSETOOLS, url)
    return sum(1 for _ in found)


class _Open:
    """In the place of CDSETool's credentials."""

    def get_session(self) -> Any:
        return import_module("requests").Session()


def fetch_cdsetool(url: str, folder: str, files: int, ids: list[str]) -> int:
    download: Any = import_module("cdsetool.download")
    download._get_feature_url = lambda feature: f"{url}/Products({feature['Id']})/$value"  # noqa: SLF001
    wanted: Any = [{"Id": id, "Name": id, "Collection": "SENTINEL-2"} for id in ids]
    options = {"credentials": _Open(), "concurrency": files, "tmpdir": folder}
    return len([name for name in download.download_features(wanted, folder, options) if name])


def main(what: str, peer: str, url: str, *rest: str) -> None:
    assert urlsplit(url).hostname == "127.0.0.1", url
    asked = _eodag(url) if peer == "eodag" else None
    if asked is None:
        import_module(
            f"cdsetool.{'query' if what == 'list' else 'download'}"
        )  # so that it is not timed
    if what == "fetch":
        folder, files, *ids = rest
    began, busy = time.perf_counter(), time.process_time()
    if what == "list":
        done = list_cdsetool(url) if asked is None else list_eodag(asked)
    elif asked is None:
        done = fetch_cdsetool(url, folder, int(files), ids)
    else:
        done = fetch_eodag(asked, url, folder, int(files), ids)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    print(json.dumps({"products": done, "seconds": seconds, "cpu": busy}))


if __name__ == "__main__":
    main(*sys.argv[1:])
