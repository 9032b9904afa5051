"""Asks a server over TLS whether it is there.

usage: health.py ENDPOINT, with $AWS_CA_BUNDLE the certificate to trust
"""

import os
import ssl
import sys
import urllib.request

trusted = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
with urllib.request.urlopen(f"{sys.argv[1]}/health", context=trusted, timeout=10) as reply:
    print(reply.status, reply.read().decode())
