"""The classes that the contract wants, by their names."""

import json

from wit_world.imports import analysis, course, health, releases, traffic

import host
import plugin
from host import Manifest


def split(shares):
    traffic.split([traffic.Share(group, percent) for group, percent in shares.items()])


def watch(analysed):
    """How a target is watched: by the operator's analysis where there is one."""

    def watched(call):
        targets, pause = call
        if not analysed:
            course.wait(pause)
        elif analysis.watch(targets, [], pause).kind != "passed":
            raise host.failure("breached", "the analysis could not tell whether the target is well")

    return watched


class DeploymentStrategy:
    def run(self, deployment, settings):
        details = json.loads(deployment.details)
        shares = None
        if details.get("balancer", True):
            shares = {target.group: 0.0 for target in deployment.targets}
            shares |= {share.group: share.percent for share in traffic.current()}
        # Going back to what was there before, nothing need be watched.
        pause = 0 if deployment.purpose == "rollback" else plugin.pause(json.loads(settings))
        does = {
            "begin": course.begin,
            "install": releases.install,
            "activate": releases.activate,
            "prove": lambda targets: health.wait(targets, None),
            "drain": lambda targets: traffic.drain(targets, None),
            "restore": traffic.restore,
            "split": split,
            "watch": watch(details.get("analysis", False)),
        }
        try:
            for name, argument in plugin.calls(deployment, shares, pause):
                does[name](argument)
        except ValueError as error:
            raise host.failure("invalid", str(error))
