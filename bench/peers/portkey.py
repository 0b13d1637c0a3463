"""Portkey's open gateway (Node). Streams fail as installed; they are measured all the same, and the errors counted."""

from bench.peers.install import node_package
from bench.subjects import Launch, Site

REQUIREMENT = "@portkey-ai/gateway@1.15.2"


class Portkey:
    name = "portkey"

    def launch(self, site: Site) -> Launch:
        package = node_package(site.cache / self.name, REQUIREMENT)
        return Launch(
            ["node", str(package / "build" / "start-server.js"), f"--port={site.port}", "--headless"],
            headers=(
                ("Authorization", "Bearer dummy"),
                ("x-portkey-provider", "openai"),
                ("x-portkey-custom-host", f"http://127.0.0.1:{site.mock_port}/v1"),
            ),
            variables={"NODE_ENV": "production"},
        )
