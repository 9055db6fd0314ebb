#!/bin/bash
# Stand-in for the start extension that Kolla gives to nova-placement-api.

# A web server that died leaves its run-time files behind; they would keep the next one from starting.
rm -rf /var/run/httpd/* /run/httpd/* /tmp/httpd*
