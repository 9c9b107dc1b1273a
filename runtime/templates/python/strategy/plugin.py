"""One target after the other, each watched for a while before the next: what needs no host."""

import json
import re

SUMMARY = "One target after the other, each watched for a while."

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "pause": {
            "type": "string",
            "default": "0s",
            "description": "How long to watch each target before the next, like `30s` or `1m30s`.",
        },
    },
}

# A strategy asks the operator for nothing.
REQUESTS = []

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def problems(settings):
    """Pairs of a JSON Pointer and what is wrong there, where the schema cannot tell."""
    if pause(settings) is None:
        return [("/pause", "write a time like `30s` or `1m30s`")]
    return []


def pause(settings):
    """How long each target is watched, in milliseconds; none where that is no time."""
    text = settings.get("pause", "0s")
    if not re.fullmatch(r"(\d+(ms|s|m|h))+", text, re.ASCII):
        return None
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|s|m|h)", text))


# Must be deterministic: the same deployment and the same answers, the same calls. A failure makes
# the host take back what was done, so that nothing need be undone here.
def calls(deployment, shares, pause):
    """What is done, one call after the other: its name, and what it is called with.

    `shares` says what each group gets of all traffic, in percent; none without a load balancer.
    """
    groups = {target.name: target.group for target in deployment.targets}
    names = list(groups)
    serving = [name for name, release in deployment.active if release is not None]
    nobody = shares is not None and not any(shares.values())
    yield "begin", "install"
    yield "install", names
    if not serving:
        yield "begin", "activate"
        yield "activate", names
        yield "prove", names
    else:
        bystanders = json.loads(deployment.details).get("bystanders", [])
        pending = [name for name in names if name not in bystanders]
        # Those first that serve nobody yet: then a group has one more before it lends one.
        pending.sort(key=lambda name: name in serving)
        for number, name in enumerate(pending, 1):
            yield "begin", f"target {number} of {len(pending)}"
            yield from replace(name, groups, serving, shares)
            if name not in serving:
                serving.append(name)
            if pause and number < len(pending):
                yield "watch", ([name], pause)
        if nobody:
            # Whoever was passed over is not known to be well.
            yield "prove", serving
    if nobody:
        yield "split", evenly(groups)


def replace(name, groups, serving, shares):
    """Takes the traffic from one target, switches it, and gives the traffic back."""
    group = groups[name]
    others = [other for other in serving if groups.get(other) == group and other != name]
    lends = shares is not None and name in serving and shares.get(group, 0) > 0
    if lends and others:
        yield "drain", [name]
    elif lends:
        yield "split", without(shares, group)
    yield "activate", [name]
    yield "prove", [name]
    if lends and not others:
        yield "split", shares
    elif lends or (shares is not None and name not in serving):
        yield "restore", [name]


def without(shares, group):
    """The shares where a group gets nothing, and the others its part."""
    left = sum(share for other, share in shares.items() if other != group)
    if left <= 0:
        raise ValueError(f"nothing but `{group}` gets traffic, and it has one target only")
    return {
        other: 0.0 if other == group else share * 100 / left for other, share in shares.items()
    }


def evenly(groups):
    """Shares in proportion to the groups' members."""
    members = list(groups.values())
    return {group: 100 * members.count(group) / len(members) for group in groups.values()}
