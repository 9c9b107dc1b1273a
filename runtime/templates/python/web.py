"""Requests over HTTP, with answers in JSON."""

import json

from wit_world.imports import http

from host import failure


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
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise failure("rejected", f"not the answer that was expected: {error}")
