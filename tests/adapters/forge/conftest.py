"""The fixtures of the checks that run inside any WebUI."""

from tests.adapters.webui.conftest import app, paint, sd_model, settings

__all__ = ["app", "paint", "sd_model", "settings"]
