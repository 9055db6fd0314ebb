#!/usr/bin/python
"""Stand-in for Kolla's builder of swift rings: names the ring it would build and builds none."""
import sys

print("kolla_build_swift_ring: stand-in: no ring was built: " + " ".join(sys.argv[1:]))
sys.exit(1)
