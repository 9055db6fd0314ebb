"""Conformance: the built images of `stable-pike` against the published facts, and nothing between.

Run as `python -m tests.conformance --store ROOT --runroot RUN`; docs/how-to/check-conformance.md
explains the report.
"""
