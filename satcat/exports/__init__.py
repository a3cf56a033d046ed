"""Products and other rows as files: each writer takes `Rows` and a file, and holds only a few rows at a time.

csv, json, ndjson, geojson, geojsonl    text.py, which prints results too
"""
