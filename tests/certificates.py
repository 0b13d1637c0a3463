"""Certificates of the tests' own making."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_BEGINS: Final = datetime(2020, 1, 1, tzinfo=UTC)


class Certificate:
    """One for ``localhost`` and 127.0.0.1, with its key; an authority's own where none is named."""

    def __init__(self, name: str, authority: "Certificate | None" = None) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = self if authority is None else authority
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        self.made = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_BEGINS)
            .not_valid_after(_BEGINS + timedelta(days=36_500))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
            .sign(issuer.private, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.made.public_bytes(serialization.Encoding.PEM)

    def key(self, passphrase: str = "") -> bytes:
        """Its key, in PEM."""
        kept = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else None
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption() if kept is None else kept,
        )
