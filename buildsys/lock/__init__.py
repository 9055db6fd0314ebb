"""Locks: the exact packages of every image, found by the solver of the distribution.

`solver` says what a solver answers, `make` makes a lock, `lockfile` reads and writes it, `pool` fetches what
it names; `apply` puts it into a resolved set, which then needs neither a solver nor metadata.
"""
