import unittest

import plugin


class Test(unittest.TestCase):
    def test_a_ticket_is_kept_and_found(self):
        kept = plugin.outcome({"id": "C-1", "more": True})
        self.assertEqual(plugin.ticket("https://example.com/", kept), "https://example.com/C-1")
        with self.assertRaises(ValueError):
            plugin.outcome({"id": 1})

    def test_nonsense_is_refused(self):
        self.assertEqual([place for place, _ in plugin.problems({"url": ""})], ["/url"])
