"""The classes that the contract wants, by their names."""

import json

from wit_world.imports import call

import plugin
import web
from host import Manifest


class Notifying:
    def notify(self, event, settings):
        url = json.loads(settings)["url"]
        body = plugin.payload(event.kind, event.application, event.release.version, event.message)
        # A repetition of the same call has the same id, so that nobody is told twice.
        web.success(web.send("POST", url, body, [("idempotency-key", call.id())]))
