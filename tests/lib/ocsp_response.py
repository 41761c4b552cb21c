#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""An OCSP response whose times are free, which openssl's program does not make: on standard output.

usage: ocsp_response.py CA CERTIFICATE FROM TO   CA.pem, CA.key, CERTIFICATE.pem; seconds from now
"""
import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp


def certificate(name):
    with open(name + ".pem", "rb") as f:
        return x509.load_pem_x509_certificate(f.read())


def main(ca, name, begin, end):
    now = datetime.datetime.utcnow().replace(microsecond=0)
    issuer = certificate(ca)
    with open(ca + ".key", "rb") as f:
        key = serialization.load_pem_private_key(f.read(), None)
    response = ocsp.OCSPResponseBuilder().add_response(
        cert=certificate(name), issuer=issuer, algorithm=hashes.SHA1(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=now + datetime.timedelta(seconds=int(begin)),
        next_update=now + datetime.timedelta(seconds=int(end)),
        revocation_time=None, revocation_reason=None,
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, issuer).sign(key, hashes.SHA256())
    sys.stdout.buffer.write(response.public_bytes(serialization.Encoding.DER))


if __name__ == "__main__":
    main(*sys.argv[1:])
