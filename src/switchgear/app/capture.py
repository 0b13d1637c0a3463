"""From the configuration to what gateways keep of what calls say."""

from switchgear.config.model import Config
from switchgear.kernel.capture import CaptureLevel, CaptureRules


def capture_rules(config: Config) -> CaptureRules | None:
    """What is kept in which project; None where nothing is in any."""
    usual = config.traces.capture
    projects: dict[str, CaptureLevel] = {
        name: entry.traces.capture for name, entry in config.projects.items() if entry.traces.capture is not None
    }
    if usual == "none" and all(level == "none" for level in projects.values()):
        return None
    return CaptureRules(usual=usual, projects=projects, max_bytes=config.traces.max_capture_bytes)
