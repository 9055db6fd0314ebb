"""Import Kolla's customisations, template overrides and kolla-build.conf, as an overlay."""
