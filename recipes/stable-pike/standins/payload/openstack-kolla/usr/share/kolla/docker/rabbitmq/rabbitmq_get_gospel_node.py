#!/usr/bin/python
# Stand-in: Kolla's program asks a cluster which member's word counts. This one knows of no cluster.
import json

print(json.dumps({"changed": False, "failed": True, "error": "stand-in: no cluster was asked"}))
