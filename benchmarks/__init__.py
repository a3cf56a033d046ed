"""What is measured, and against what: each module runs as `python -m benchmarks.<name>`."""
