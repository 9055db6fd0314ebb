"""Kolla's ways to change its images, as an overlay: template overrides and kolla-build.conf."""
