"""What runs a written plan: a directory in, an exit status out. Executors know neither recipes nor images."""
