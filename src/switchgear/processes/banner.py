"""What ``serve`` says when it answers: where, what it serves, and a call to paste."""

from switchgear.config import Config

_SHOWN = 12


def banner(config: Config, host: str, port: int, config_path: str | None) -> str:
    """The text, with a curl that works as it is (but for the key, when keys are configured)."""
    url = reachable_url(host, port)
    simulators = [name for name, entry in config.providers.items() if entry.is_simulator]
    model = next(iter(config.models), f"{next(iter(simulators), 'sim')}/echo")
    key = " \\\n    -H 'authorization: Bearer YOUR_KEY'" if config.keys else ""
    shown = [f"{name} (simulator)" if name in simulators else name for name in list(config.providers)[:_SHOWN]]
    providers = ", ".join(shown) or "none"
    aliases = ", ".join(list(config.models)[:_SHOWN]) or "none; provider/model names any model of a provider"
    source = config_path or "no file; providers found in the environment, and the simulator"
    keys = (
        f"{len(config.keys)} virtual keys"
        if config.keys
        else "none needed from this machine, none accepted from others"
    )
    return (
        f"Switchgear listens on {url}\n"
        f"  configuration  {source}\n"
        f"  providers      {providers}\n"
        f"  models         {aliases}\n"
        f"  keys           {keys}\n"
        f"  console        {url}/console\n\n"
        f"Try it:\n"
        f"  curl {url}/v1/chat/completions -H 'content-type: application/json'{key} \\\n"
        f'    -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}]}}\'\n\n'
    )


def reachable_url(host: str, port: int) -> str:
    """Where a server that listens on ``host`` answers callers on its own machine."""
    shown = f"[{host.strip('[]')}]" if ":" in host else host
    reachable = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(shown, shown)  # noqa: S104 (read, not bound)
    return f"http://{reachable}:{port}"
