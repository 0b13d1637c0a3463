"""TensorZero (Rust): the HTTP gateway that its Python wheel carries, with observability off. It picks its own port."""

from bench.peers.install import python_environment
from bench.subjects import Launch, Site

REQUIREMENT = "tensorzero==2026.6.0"

CONFIG = """\
[gateway]
observability.enabled = false

[models.bench]
routing = ["mock"]

[models.bench.providers.mock]
type = "openai"
model_name = "gpt-bench"
api_base = "http://127.0.0.1:{mock_port}/v1/"
api_key_location = "none"
"""

START = """\
import pathlib
import signal
import urllib.parse
from tensorzero import _start_http_gateway
gateway = _start_http_gateway(
    config_file="tensorzero.toml", clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
pathlib.Path("port.new").write_text(str(urllib.parse.urlsplit(gateway.base_url).port))
pathlib.Path("port.new").rename("port.txt")
signal.pause()
"""


class TensorZero:
    name = "tensorzero"

    def launch(self, site: Site) -> Launch:
        python = python_environment(site.cache / self.name, REQUIREMENT)
        (site.folder / "tensorzero.toml").write_text(CONFIG.format(mock_port=site.mock_port))
        return Launch(
            [str(python), "-c", START],
            path="/openai/v1/chat/completions",
            model="tensorzero::model_name::bench",
            port_file=site.folder / "port.txt",
        )
