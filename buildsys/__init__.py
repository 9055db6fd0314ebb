"""buildsys builds trees of container images from short recipes, with buildah under make and without a daemon.

Recipes (YAML) compile to a plan directory that GNU make runs by itself. The public surface is the command
line; the modules are its rooms, and the README leads to the rest.
"""

__version__ = "0.1.0"
