"""What people write: documents, their schema, the folder they stand in, variables, overlays."""
