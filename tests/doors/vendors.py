"""An upstream that is called as it is, and what it was told."""

from collections.abc import Mapping

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.secret import Secret
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream

PICTURE = ModelEntry(deployments=(DeploymentEntry(model="vendor/gpt-image-1"),))
FORM = {"content-type": 'multipart/form-data; boundary="cut here"'}


class Told:
    """An upstream that answers with what it was given, and remembers what it was asked."""

    def __init__(
        self, answer: bytes = b"{}", head: bytes = b"content-type: application/json", status: int = 200
    ) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.answer = b"HTTP/1.1 %d X\r\n%b\r\ncontent-length: %d\r\n\r\n%b" % (status, head, len(answer), answer)

    async def __call__(self, peer: Peer) -> None:
        head, body = await peer.request()
        self.heads.append(head)
        self.bodies.append(body)
        await peer.send(self.answer)


def vendor(upstream: ScriptedUpstream, kind: str = "openai_compatible", **more: object) -> Mapping[str, ProviderEntry]:
    made = ProviderEntry(
        kind=kind,
        base_url=f"http://{upstream.origin.authority}/base/v1",
        api_key=Secret("upstream-secret"),
        passthrough=True,
        **more,  # pyright: ignore[reportArgumentType]
    )
    return {"vendor": made}


def form(*fields: tuple[str, str]) -> bytes:
    """A form as clients send it, with a file behind the fields."""
    parts = [
        f'--cut here\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    ]
    file = '--cut here\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n\0\r\n--cut\r\n'
    return ("".join(parts) + file + "--cut here--\r\n").encode()
