"""Ships a set that was built, as a whole: blobs and manifests first, all tags last."""
