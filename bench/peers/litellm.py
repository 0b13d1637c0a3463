"""LiteLLM's proxy, one worker, a master key, no database."""

from bench.peers.install import python_environment
from bench.subjects import BENCH_KEY, Launch, Site

REQUIREMENT = "litellm[proxy]==1.108.7"
"""Newer versions pin packages that cannot be had, and this one pins a certifi that cannot: hence the override."""

CONFIG = """\
model_list:
  - model_name: bench
    litellm_params: {{model: openai/gpt-bench, api_base: "http://127.0.0.1:{mock_port}/v1", api_key: dummy}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""


class LiteLLM:
    name = "litellm"

    def launch(self, site: Site) -> Launch:
        python = python_environment(site.cache / self.name, REQUIREMENT, overrides=("certifi>=2025",))
        config = site.folder / "config.yaml"
        config.write_text(CONFIG.format(mock_port=site.mock_port, key=BENCH_KEY))
        command = [
            str(python.with_name("litellm")),
            "--config",
            str(config),
            "--host",
            "127.0.0.1",
            "--port",
            str(site.port),
        ]
        return Launch(
            [*command, "--num_workers", "1"],
            headers=(("Authorization", f"Bearer {BENCH_KEY}"),),
            model="bench",
            variables={"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            start_seconds=180.0,
        )
