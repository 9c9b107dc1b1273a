"""The classes that the contract wants, by their names."""

import json

from wit_world.exports.keeping import Secret

import plugin
import web
from host import Manifest


class Keeping:
    def fetch(self, name, settings):
        url = plugin.address(json.loads(settings)["url"], name)
        value, version = web.read(plugin.value, web.success(web.send("GET", url)))
        return Secret(value, version, None, None)
