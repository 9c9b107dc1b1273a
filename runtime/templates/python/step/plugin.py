"""Opens a change ticket, and closes it where the release is taken back: what needs no host."""

SUMMARY = "Opens a change ticket."

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "description": "Where tickets are opened."},
    },
}

# Capability, scope, purpose, reason.
REQUESTS = [("http", "{url}", "change", "to open and close tickets")]


def problems(settings):
    """Pairs of a JSON Pointer and what is wrong there, where the schema cannot tell."""
    if settings["url"] == "":
        return [("/url", "where to?")]
    return []


def outcome(answer):
    """What is kept with the deployment, of what the other side answered."""
    if not isinstance(answer["id"], str):
        raise ValueError("the ticket's id is no text")
    return {"id": answer["id"]}


def ticket(url, outcome):
    """The URL of the ticket that was opened."""
    return f"{url.rstrip('/')}/{outcome['id']}"
