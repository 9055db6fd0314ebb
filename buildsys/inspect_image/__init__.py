"""What is in images that were built: read as they are stored, without running them and without a trace.

`image` opens an image, `layer` reads one layer's files, `packages` an image's package database; `difference`
says in what two images differ.
"""
