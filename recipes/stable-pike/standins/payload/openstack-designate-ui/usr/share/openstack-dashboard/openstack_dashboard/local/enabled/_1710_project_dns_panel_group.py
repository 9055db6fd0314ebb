# Stand-in: switches on a panel of designatedashboard.
