"""The lock: the exact packages of every image, found by the distribution's own solver.

`solve` is the only code that asks package repositories what they hold; `file` reads and writes the answer;
`apply` puts it into a resolved set, after which no solver and no repository metadata are needed.
"""
