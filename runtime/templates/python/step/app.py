"""The classes that the contract wants, by their names."""

import json

from wit_world.imports import call

import plugin
import web
from host import Manifest


class Working:
    def run(self, occasion, settings):
        url = json.loads(settings)["url"]
        body = {"application": occasion.application, "version": occasion.release.version}
        # Safe to call again: the other side tells a repetition by its key.
        answer = web.send("POST", url, body, [("idempotency-key", call.id())])
        return json.dumps(web.read(plugin.outcome, web.success(answer)))

    def undo(self, occasion, outcome, settings):
        url = plugin.ticket(json.loads(settings)["url"], json.loads(outcome))
        answer = web.send("DELETE", url)
        # Closed already.
        if answer.status != 404:
            web.success(answer)
