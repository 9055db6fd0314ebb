"""SBOMs of built images, from the plan alone: `documents.documents` makes them.

An SBOM lists what the plan installs and copies; it needs no scanner, no container store and no network.
"""
