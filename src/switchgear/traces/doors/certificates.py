"""Whether a certificate, its key and authorities are what a port can prove itself by."""

from collections.abc import Iterator, Mapping
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

_MARK: Final = "-----BEGIN "
_SHOWN_PATH: Final = 100


def faults(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with ``certificate``, ``key`` and ``client_authorities``: the field, and the rest of a sentence.

    All are PEM. Nothing of them is repeated but what is a path; one that is not told is not looked at.
    """
    proved = signs = None
    for field, text in told.items():
        if _MARK not in text:
            yield field, _no_pem(text)
            continue
        try:
            if field == "key":
                signs = _public_of_key(text)
            elif field == "certificate":
                proved = _public_of_certificate(text)
            else:
                load_pem_x509_certificates(text.encode())
        except TypeError:
            yield field, "is encrypted: take the passphrase off; a reference to a store of secrets keeps it"
        except (ValueError, UnsupportedAlgorithm):
            yield field, "cannot be read: it is broken, or of a kind that is not known here"
    if proved is not None and signs is not None and proved != signs:
        yield "key", "is not the key of the certificate: its public half is another one"


def _no_pem(text: str) -> str:
    """For what is not even that; a path alone is no secret."""
    if text.startswith(("/", "./", "../", "~")) and "\n" not in text:
        return f"is a path, and not what the file holds: write ${{file:{text[:_SHOWN_PATH]}}}"
    return f"is not in PEM, which begins with {_MARK!r}; a file is named as ${{file:PATH}}"


def _public_of_certificate(text: str) -> bytes:
    """Of the first, which is the server's own."""
    first = load_pem_x509_certificates(text.encode())[0]
    return first.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_of_key(text: str) -> bytes:
    """Raises TypeError for a key with a passphrase."""
    private = load_pem_private_key(text.encode(), password=None)
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
