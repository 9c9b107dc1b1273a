"""Asks a monitoring system for numbers: what needs no host."""

from urllib.parse import quote, urlencode

SUMMARY = "Asks a monitoring system for numbers."

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "description": "Where it answers."},
    },
}

# Capability, scope, purpose, reason.
REQUESTS = [("http", "{url}", "read", "to ask for numbers")]


def problems(settings):
    """Pairs of a JSON Pointer and what is wrong there, where the schema cannot tell."""
    if settings["url"] == "":
        return [("/url", "where does it answer?")]
    return []


def question(url, expression, start, end, step):
    """The URL that is asked; times in milliseconds."""
    parameters = {"expression": expression, "start": start, "end": end}
    if step is not None:
        parameters["step"] = step
    return f"{url}?{urlencode(parameters, quote_via=quote)}"


def values(answer):
    """The samples of an answer: pairs of a time and a number."""
    return [(int(at), float(value)) for at, value in answer["values"]]
