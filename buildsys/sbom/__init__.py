"""SBOMs of built images, from the plan alone: `bill_of_materials.document` makes them.

An SBOM lists what the plan installs and copies; it needs no scanner, no container store and no network.
"""
