# What the dashboard takes from its environment. Files of yours in this directory, later in the alphabet, have the last word.
import os

OPENSTACK_KEYSTONE_URL = os.environ.get("OPENSTACK_KEYSTONE_URL", "http://127.0.0.1:5000/v3")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "*").split()
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
if "MEMCACHED" in os.environ:
    SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
            "LOCATION": os.environ["MEMCACHED"].split(),
        }
    }
