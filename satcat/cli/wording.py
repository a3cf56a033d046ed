"""The words of `satcat.wording`, by the name that commands know."""

from satcat.wording import ago, count, duration, moment, patterns, size

__all__ = ["ago", "count", "duration", "moment", "patterns", "size"]
