# Stand-in: switches on a panel of manila_ui.
