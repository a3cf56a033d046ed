"""`satcat copy`: one catalogue into another, SQLite or PostgreSQL, shown equal by digests.

Every run reads the source in one transaction, as it is at one moment, while others sync and download there. It goes
through each table in the order of its key, piece by piece, and writes the pieces that differ in the target: so the same
command goes on after an interruption, also if the source has changed meanwhile. Until all is shown to be equal, the
target says of itself that it is an unfinished copy, and nothing else opens it: half a copy vouches for nothing.
"""
