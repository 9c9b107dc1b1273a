"""Releases side by side in a directory, and a file that says which one runs: what needs no host."""

import re

SUMMARY = "Releases side by side in a directory."

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["root"],
    "properties": {
        "root": {
            "type": "string",
            "description": "The application's directory on the target; `{target}` stands for the target's name.",
        },
    },
}

# Capability, scope, purpose, reason.
REQUESTS = [
    ("files", "read:{root}", "read", "to see which releases are there, and which one runs"),
    ("files", "write:{root}", "change", "to put releases there, switch and remove them"),
]

# The host brings the artifact, and targets on one machine must have places of their own.
DETAILS = {"artifact": "unpack", "place": "/root"}


def problems(settings):
    """Pairs of a JSON Pointer and what is wrong there, where the schema cannot tell."""
    if re.search(r"[{}]", settings["root"].replace("{target}", "")):
        return [("/root", "nothing but `{target}` stands in braces")]
    return []


class Place:
    """Where things lie on one target."""

    def __init__(self, settings, target):
        self.root = settings["root"].replace("{target}", target)
        self.active = f"{self.root}/active"
        self.releases = f"{self.root}/releases"

    def release(self, id):
        return f"{self.releases}/{id}"


def installed(names):
    """Id and completeness of what lies there: what was cut off while it was unpacked has another
    name."""
    return [(name.removesuffix(".partial"), not name.endswith(".partial")) for name in names]
