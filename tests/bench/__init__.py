"""What buildsys costs, beside the plainest way to do the same: `make bench` writes docs/benchmarks.md."""
