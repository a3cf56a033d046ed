"""A pretend CDSE on this machine, with the limits and traps of the real one.

For trying things out, and for tests: of satcat, and of your own code that uses CDSE. No network, no
account.

    from satcat.sandbox import Sandbox

    with Sandbox(products=2000, seed=1) as sandbox:
        os.environ.update(sandbox.environment)  # satcat, here or in a child, now talks to it
        ids = sandbox.catalogue.publish_random(5, tile_id="30TWM", sensing_start="2024-06-15")
        sandbox.catalogue.modify(ids[0], cloud_cover=99.0)
        sandbox.catalogue.delete(ids[1])
        sandbox.faults.next("status", status=503, retry_after=1, match="DeletedProducts")
        ...
        assert sandbox.log.max_concurrent <= 4
        assert sandbox.catalogue.products[ids[0]].cloud_cover == 99.0

The same number and seed always give the same products. What CDSE documents, or was recorded to do,
the sandbox does: `$top` up to 1000, `$skip` up to 10,000 and no next link beyond, no order without
`$orderby`, empty answers for unknown attributes, four downloads at a time, tokens that expire, zips
that cannot be resumed. `Settings` has what may be otherwise: ranges that lie, bodies in chunks, a
quota that is spent, links to another host.
"""

from __future__ import annotations

from satcat.sandbox.clock import Clock
from satcat.sandbox.faults import Fault, Faults
from satcat.sandbox.log import Log, Request
from satcat.sandbox.records import REMOVED, Deletion, Record, TypedValue
from satcat.sandbox.sandbox import Sandbox
from satcat.sandbox.settings import Settings

__all__ = [
    "REMOVED",
    "Clock",
    "Deletion",
    "Fault",
    "Faults",
    "Log",
    "Record",
    "Request",
    "Sandbox",
    "Settings",
    "TypedValue",
]
