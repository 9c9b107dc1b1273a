"""Brings secrets from a server that keeps them: what needs no host."""

SUMMARY = "Brings secrets from a server that keeps them."

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "description": "Where the server answers."},
    },
}

# Capability, scope, purpose, reason.
REQUESTS = [("http", "{url}", "read", "to fetch secrets")]


def problems(settings):
    """Pairs of a JSON Pointer and what is wrong there, where the schema cannot tell."""
    if settings["url"] == "":
        return [("/url", "where does it answer?")]
    return []


def address(url, name):
    """Where the secret of that name lies."""
    return f"{url.rstrip('/')}/{name}"


def value(answer):
    """Value and version of an answer."""
    return answer["value"].encode(), answer.get("version")
