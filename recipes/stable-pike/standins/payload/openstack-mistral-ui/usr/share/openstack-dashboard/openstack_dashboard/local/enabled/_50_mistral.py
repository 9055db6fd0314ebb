# Stand-in: switches on a panel of mistraldashboard.
