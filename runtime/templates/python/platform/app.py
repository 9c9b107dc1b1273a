"""The classes that the contract wants, by their names."""

import json

from componentize_py_types import Err
from wit_world.exports.hosting import InstalledRelease
from wit_world.imports import files, machine

import plugin
from host import Manifest


def place(target, settings):
    return plugin.Place(json.loads(settings), target.name)


# Each of these is safe to call again: it makes the same of whatever it finds.
class Hosting:
    def traits(self, settings):
        return []

    def active(self, target, settings):
        try:
            return files.read(place(target, settings).active).decode(errors="replace").strip()
        except Err as error:
            if error.value.code == "missing":
                return None
            raise

    def installed(self, target, settings):
        names = [entry.name for entry in files.list(place(target, settings).releases)]
        return [InstalledRelease(*release, details="{}") for release in plugin.installed(names)]

    def install(self, target, release, settings):
        there = place(target, settings)
        # One round trip, however far the target is.
        machine.perform(
            [
                machine.Action("create-directory", there.releases, b"", None),
                machine.Action("unpack", there.release(release.id), release.id.encode(), None),
            ]
        )

    def activate(self, target, release, settings):
        files.write(place(target, settings).active, release.id.encode())

    def deactivate(self, target, settings):
        files.remove(place(target, settings).active)

    def remove(self, target, release, settings):
        files.remove(place(target, settings).release(release))
