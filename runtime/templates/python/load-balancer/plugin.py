"""Speaks to a load balancer that has an API over HTTP: its state is one JSON document, which is
read and replaced as a whole. Here is what needs no host."""

SUMMARY = "A load balancer with an API over HTTP."

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["api"],
    "properties": {
        "api": {"type": "string", "description": "Where its API answers."},
    },
}

# Capability, scope, purpose, reason.
REQUESTS = [
    ("http", "{api}", "read", "to see who gets the traffic"),
    ("http", "{api}", "change", "to say who gets the traffic"),
]

TRAITS = ["shares", "drains", "reads-running-state", "weight-steps=10000"]


def problems(settings):
    """Pairs of a JSON Pointer and what is wrong there, where the schema cannot tell."""
    if settings["api"] == "":
        return [("/api", "where does it answer?")]
    return []


def state(answer):
    """What the load balancer says: its revision, and name, percent and admission of each server."""
    servers = []
    for server in answer["servers"]:
        name, weight, admission = server["name"], server["weight"], server["admission"]
        if not (isinstance(name, str) and isinstance(weight, int) and isinstance(admission, str)):
            raise ValueError("a server lacks its name, weight or admission")
        servers.append((name, weight / 100, admission))
    if not isinstance(answer["revision"], int):
        raise ValueError("the revision is no whole number")
    return str(answer["revision"]), servers


def document(pools):
    """What the load balancer is told: the share of each pool, split among those that are ready."""
    servers = []
    for pool in pools:
        ready = sum(member.admission == "ready" for member in pool.members)
        for member in pool.members:
            if member.target.address is None:
                raise ValueError(f"target `{member.target.name}` has no address")
            share = pool.percent / ready if member.admission == "ready" else 0
            servers.append(
                {
                    "name": member.target.name,
                    "address": member.target.address,
                    # Of ten thousand.
                    "weight": round(share * 100),
                    "admission": member.admission,
                }
            )
    return {"servers": servers}
