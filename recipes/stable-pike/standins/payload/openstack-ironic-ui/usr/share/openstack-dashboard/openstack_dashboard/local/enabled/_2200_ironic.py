# Stand-in: switches on a panel of ironic_ui.
