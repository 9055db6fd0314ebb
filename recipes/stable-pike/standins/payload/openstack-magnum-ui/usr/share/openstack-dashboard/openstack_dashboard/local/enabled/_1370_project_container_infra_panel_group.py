# Stand-in: switches on a panel of magnum_ui.
