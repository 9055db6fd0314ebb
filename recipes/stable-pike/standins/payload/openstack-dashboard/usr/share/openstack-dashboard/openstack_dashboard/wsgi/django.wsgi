# Stand-in for the WSGI application of the dashboard.
