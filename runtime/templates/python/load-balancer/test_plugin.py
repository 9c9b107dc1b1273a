import unittest
from types import SimpleNamespace

import plugin


def member(name, admission):
    target = SimpleNamespace(name=name, address=f"{name}:80")
    return SimpleNamespace(target=target, admission=admission)


class Test(unittest.TestCase):
    def test_what_is_read_is_told(self):
        server = {"name": "web01", "address": "web01:80", "weight": 2500, "admission": "ready"}
        answer = {"revision": 7, "servers": [server]}
        self.assertEqual(plugin.state(answer), ("7", [("web01", 25.0, "ready")]))
        with self.assertRaises(KeyError):
            plugin.state({})
        with self.assertRaises(ValueError):
            plugin.state({"revision": 7.5, "servers": []})

    def test_a_share_is_split_among_the_ready(self):
        members = [member("web01", "ready"), member("web02", "draining"), member("web03", "ready")]
        pool = SimpleNamespace(group="web", percent=100.0, members=members)
        weights = [server["weight"] for server in plugin.document([pool])["servers"]]
        self.assertEqual(weights, [5_000, 0, 5_000])

    def test_nonsense_is_refused(self):
        self.assertEqual([place for place, _ in plugin.problems({"api": ""})], ["/api"])
