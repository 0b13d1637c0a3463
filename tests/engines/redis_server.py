"""Redis for tests: a prefix of one's own on a server that others use too, and servers of one's own to stop."""

import asyncio
import shutil
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_link import Word

BINARY = next((found for name in ("redis-server", "valkey-server") if (found := shutil.which(name))), None)


async def every_key(client: RedisClient, prefix: str) -> list[bytes]:
    """All keys below ``prefix``."""
    found: list[bytes] = []
    cursor: Word = 0
    while True:
        answer = await client.run("SCAN", cursor, "MATCH", f"{{{prefix}}}*", "COUNT", 1000)
        assert isinstance(answer, list)
        cursor, keys = answer  # pyright: ignore[reportAssignmentType] (what SCAN answers)
        assert isinstance(keys, list)
        found += [key for key in keys if isinstance(key, bytes)]
        if cursor == b"0":
            return found


async def forget(client: RedisClient, prefix: str) -> None:
    """Leave nothing behind."""
    for key in await every_key(client, prefix):
        await client.run("UNLINK", key)


async def let_time_pass(client: RedisClient, prefix: str, seconds: float) -> None:
    """Bring forward all that runs out below ``prefix``."""
    step_ms = round(seconds * 1e3)
    for key in await every_key(client, prefix):
        left_ms = await client.run("PTTL", key)
        if isinstance(left_ms, int) and left_ms > 0:
            await client.run("PEXPIRE", key, left_ms - step_ms)
    holds = f"{{{prefix}}}holds"
    members = await client.run("ZRANGE", holds, 0, -1)
    assert isinstance(members, list)
    await asyncio.gather(
        *(
            client.run("ZINCRBY", holds, -step_ms, str(member, "utf-8"))
            for member in members
            if isinstance(member, bytes)
        )
    )


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


class OwnRedis:
    """A server of the test's own."""

    def __init__(self, folder: Path, *options: str, tls: bool = False) -> None:
        self.port = free_port()
        ports = ["--port", "0", "--tls-port"] if tls else ["--port"]
        place = ["--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        self._command = [str(BINARY), *ports, str(self.port), *place, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Have it listen."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"Ready to accept connections" in line:
                return
        raise OSError(f"no Redis on port {self.port}")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def stop(self) -> None:
        """Have it stand still: it takes connections and commands, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End standing still."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def own_redis(folder: Path, *options: str) -> Generator[OwnRedis]:
    """A server that lives as long as the block."""
    server = OwnRedis(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def write_certificate(certificate: Path, key: Path) -> None:
    """One for ``localhost`` that signs itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begins = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
