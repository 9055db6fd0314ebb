"""The contents of built images, read from where they are stored; nothing is run, nothing is changed.

`image` opens an image, `layer` reads the files of one layer, `packages` the package database of an image,
`diff` compares two images, `soundness` finds damaged layers of a container store.
"""
