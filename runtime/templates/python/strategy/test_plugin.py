import unittest
from types import SimpleNamespace

import plugin


def deployment(targets, active):
    return SimpleNamespace(
        targets=[SimpleNamespace(name=name, group=group) for name, group in targets],
        active=active,
        details="{}",
    )


class Test(unittest.TestCase):
    def test_one_after_the_other(self):
        both = deployment([("web01", "web"), ("web02", "web")], [("web01", "1"), ("web02", "1")])
        calls = list(plugin.calls(both, {"web": 100.0}, 60_000))
        self.assertLess(calls.index(("restore", ["web01"])), calls.index(("watch", (["web01"], 60_000))))
        self.assertLess(calls.index(("watch", (["web01"], 60_000))), calls.index(("drain", ["web02"])))

    def test_the_only_one_of_its_group_lends_its_share(self):
        two = deployment([("a", "blue"), ("b", "green")], [("a", "1"), ("b", "1")])
        calls = list(plugin.calls(two, {"blue": 50.0, "green": 50.0}, 0))
        self.assertIn(("split", {"blue": 0.0, "green": 100.0}), calls)
        with self.assertRaises(ValueError):
            list(plugin.calls(deployment([("a", "blue")], [("a", "1")]), {"blue": 100.0}, 0))

    def test_nonsense_is_refused(self):
        self.assertEqual(plugin.pause({"pause": "1m30s"}), 90_000)
        self.assertEqual([place for place, _ in plugin.problems({"pause": "soon"})], ["/pause"])
