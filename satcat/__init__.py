"""A local mirror."""
