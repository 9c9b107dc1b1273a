"""What the classes of the contract have in common: settings, failures, requests over HTTP."""

import json

from componentize_py_types import Err
from wit_world.exports.manifest import Description, Problem, Request
from wit_world.imports import http, types

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
            details="{}",
        )

    def validate(self, settings):
        return [Problem(*problem) for problem in plugin.problems(json.loads(settings))]


def failure(code, message):
    """The failure to raise: `raise failure("missing", "…")`."""
    retryable = code in ("unavailable", "timeout", "conflict")
    return Err(types.Failure(code, message, retryable, "{}"))


def send(method, url, body=None, headers=()):
    """The answer to a request, whatever its status; `body` goes out as JSON."""
    headers = list(headers)
    content = b""
    if body is not None:
        headers.append(("content-type", "application/json"))
        content = json.dumps(body).encode()
    return http.send(http.Request(method, url, headers, content, None, None, []))


def success(response):
    """The answer, if its status is from 200 to 299; else it raises what fits."""
    if 200 <= response.status < 300:
        return response
    said = response.body[:200].decode(errors="replace")
    code = "rejected"
    if response.status == 404:
        code = "missing"
    elif response.status in (408, 425, 429) or response.status >= 500:
        code = "unavailable"
    raise failure(code, f"the other side answered {response.status}: {said}")


def read(parse, response):
    """What `parse` makes of the answer in JSON; raises what fits where it makes nothing of it."""
    if response.truncated:
        raise failure("rejected", "the answer is longer than the host lets through")
    try:
        return parse(json.loads(response.body))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise failure("rejected", f"not the answer that was expected: {error}")
