"""Signatures of images, and signed statements about them: in-toto, provenance. Bytes only."""
