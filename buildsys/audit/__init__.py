"""Which packages of images have known vulnerabilities, by local files of advisories; no network."""
