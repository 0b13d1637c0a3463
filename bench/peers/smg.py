"""Shepherd Model Gateway (Rust), as its wheel installs it."""

from bench.machine import free_port
from bench.peers.install import python_environment
from bench.subjects import Launch, Site

REQUIREMENT = "smg==1.13.0"


class ShepherdModelGateway:
    name = "smg"

    def launch(self, site: Site) -> Launch:
        python = python_environment(site.cache / self.name, REQUIREMENT)
        command = [
            str(python.with_name("smg")),
            "launch",
            "--backend",
            "openai",
            "--host",
            "127.0.0.1",
            "--port",
            str(site.port),
        ]
        command += ["--worker-urls", f"http://127.0.0.1:{site.mock_port}", "--prometheus-port", str(free_port())]
        return Launch([*command, "--log-level", "warn"])
