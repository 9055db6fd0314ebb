# Turns the unit of a clone into that of a package: sed -f packaged.sed buildsys-periodic@.service
/^# docs\/how-to/d
s|/opt/buildsys/.venv/bin/|/usr/bin/|
s|^WorkingDirectory=.*|StateDirectory=buildsys\
WorkingDirectory=/var/lib/buildsys|
