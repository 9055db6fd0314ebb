# Stand-in: switches on a panel of sahara_dashboard.
