"""The migrations that make and upgrade catalogues; installed as `satcat.migrations`."""
