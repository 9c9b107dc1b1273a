"""What the classes of the contract have in common: what the plugin says of itself, and failures."""

import json

from componentize_py_types import Err
from wit_world.exports.manifest import Description, Problem, Request
from wit_world.imports import types

import plugin


class Manifest:
    """What the plugin says of itself; `app.py` exports it."""

    def describe(self):
        return Description(
            name="plugin-name",
            version="0.1.0",
            summary=plugin.SUMMARY,
            settings_schema=json.dumps(plugin.SCHEMA),
            requests=[Request(*request, optional=False) for request in plugin.REQUESTS],
            details=json.dumps(getattr(plugin, "DETAILS", {})),
        )

    def validate(self, settings):
        return [Problem(*problem) for problem in plugin.problems(json.loads(settings))]


def failure(code, message):
    """The failure to raise: `raise failure("missing", "…")`."""
    retryable = code in ("unavailable", "timeout", "conflict")
    return Err(types.Failure(code, message, retryable, "{}"))
