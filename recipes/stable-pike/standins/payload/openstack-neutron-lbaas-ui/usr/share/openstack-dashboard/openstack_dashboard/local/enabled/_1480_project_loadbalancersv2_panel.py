# Stand-in: switches on a panel of neutron_lbaas_dashboard.
