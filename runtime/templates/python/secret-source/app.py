"""The classes that the contract wants, by their names."""

import json

from wit_world.exports.keeping import Secret

import host
import plugin
from host import Manifest


class Keeping:
    def fetch(self, name, settings):
        url = plugin.address(json.loads(settings)["url"], name)
        value, version = host.read(plugin.value, host.success(host.send("GET", url)))
        return Secret(value, version, None, None)
