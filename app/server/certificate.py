"""TLS of the web port: the operator's certificate, or one that the server made for itself.

Clients take any certificate, as the protocol inside authenticates the server by its own key. A real one makes the port
look like any other web server to proxies that check. Used by service.py and the relay's.
"""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.base.atomic_file import write_atomically

VALID = timedelta(days=20 * 365)
_CLOCKS_DIFFER = timedelta(days=1)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS with the certificate chain and key in these PEM files. Raises OSError, which ssl's errors are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def own_certificate(file: Path, host: str) -> Path:
    """The self-signed certificate with its key in `file`, made if it is not there yet. Raises OSError."""
    if not file.exists():
        write_atomically(file, _self_signed(host or "localhost"), mode=0o600)
    return file


def _self_signed(host: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
