# Stand-in: switches on a part of the dashboard.
