"""Posts each event as JSON: what needs no host."""

SUMMARY = "Posts each event as JSON."

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "description": "Where to post."},
    },
}

# Capability, scope, purpose, reason. What an operator writes in `url` is granted by that.
REQUESTS = [("http", "{url}", "change", "to post each event")]


def problems(settings):
    """Pairs of a JSON Pointer and what is wrong there, where the schema cannot tell."""
    if settings["url"] == "":
        return [("/url", "where to?")]
    return []


def payload(kind, application, version, message):
    """What is posted."""
    return {"event": kind, "text": f"{application} {version}: {message}"}
