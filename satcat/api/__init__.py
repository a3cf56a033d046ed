"""Sources: the far ends that catalogues are mirrored from. Nothing here knows the database."""
