"""Asks each target whether it is well: what needs no host."""

SUMMARY = "Asks each target whether it is well."

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "path": {
            "type": "string",
            "default": "/health",
            "description": "The path that is asked for.",
        },
    },
}

# Capability, scope, purpose, reason.
REQUESTS = [("http", "http://{target.address}", "read", "to ask each target whether it is well")]


def problems(settings):
    """Pairs of a JSON Pointer and what is wrong there, where the schema cannot tell."""
    if not path(settings).startswith("/"):
        return [("/path", "a path begins with a slash")]
    return []


def path(settings):
    """The path that is asked for."""
    return settings.get("path", "/health")


def judge(url, status):
    """How well a target is that answered so."""
    return ("healthy" if status == 200 else "unhealthy", f"{url}: {status}")
