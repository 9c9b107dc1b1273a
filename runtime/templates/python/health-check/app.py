"""The classes that the contract wants, by their names."""

import json

from componentize_py_types import Err
from wit_world.exports.checking import Report

import host
import plugin
import web
from host import Manifest


class Checking:
    def check(self, target, release, settings):
        if target.address is None:
            raise host.failure("invalid", f"target `{target.name}` has no address")
        url = f"http://{target.address}{plugin.path(json.loads(settings))}"
        try:
            status, message = plugin.judge(url, web.send("GET", url).status)
        except Err as error:
            # A target that does not answer is not well; a failure would say that the check itself
            # could not be made.
            if error.value.code not in ("unavailable", "timeout"):
                raise
            status, message = "unhealthy", f"{url}: {error.value.message}"
        return Report(status, message, [], "{}")
