"""The guard: what a run of tests or a build must leave as it was on the machine, and which test did not.

Only the standard library: in a clean root it runs before anything is installed.
"""
