"""The classes that the contract wants, by their names."""

import json

from wit_world.exports.balancing import MemberState, Reading

import host
import plugin
import web
from host import Manifest


def api(settings):
    return json.loads(settings)["api"]


class Balancing:
    def traits(self, settings):
        return plugin.TRAITS

    def read(self, targets, settings):
        answer = web.success(web.send("GET", api(settings)))
        revision, servers = web.read(plugin.state, answer)
        members = [MemberState(*server, up=None, active=None) for server in servers]
        return Reading(members, routes=[], revision=revision, details="{}")

    def apply(self, desired, settings):
        for route in desired.routes:
            raise host.failure("invalid", f"there is no way to make the route `{route.name}`")
        try:
            document = plugin.document(desired.pools)
        except ValueError as error:
            raise host.failure("invalid", str(error))
        # Whoever changed it meanwhile is not overwritten.
        expected = desired.expected
        headers = [] if expected is None else [("if-match", f'"{expected}"')]
        answer = web.send("PUT", api(settings), document, headers)
        if answer.status == 412:
            raise host.failure("conflict", "the load balancer was changed meanwhile")
        web.success(answer)
