"""The program that asks dnf's own solver, of dnf 4 or of dnf5, for the packages of a whole image set.

The interpreter that has dnf's modules runs it
(the system's, of whatever age, not the project's environment) as the
package `rpm_solver`; it imports nothing of buildsys. `program` reads a request and writes the answer,
`solving` goes through the images, `solver_library` is the form that `dnf4` and `dnf5` fill in.
"""
