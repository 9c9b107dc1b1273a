import unittest

import plugin


class Test(unittest.TestCase):
    def test_each_target_has_its_place(self):
        place = plugin.Place({"root": "/srv/{target}"}, "web01")
        self.assertEqual(place.active, "/srv/web01/active")
        self.assertEqual(place.release("2"), "/srv/web01/releases/2")

    def test_what_was_cut_off_is_not_complete(self):
        self.assertEqual(plugin.installed(["1", "2.partial"]), [("1", True), ("2", False)])

    def test_nonsense_is_refused(self):
        self.assertEqual(plugin.problems({"root": "/srv/{target}"}), [])
        self.assertEqual([place for place, _ in plugin.problems({"root": "/{x}"})], ["/root"])
