import unittest

import plugin


class Test(unittest.TestCase):
    def test_what_is_posted(self):
        body = plugin.payload("succeeded", "shop", "2.0", "all on 2.0")
        self.assertEqual(body, {"event": "succeeded", "text": "shop 2.0: all on 2.0"})

    def test_nonsense_is_refused(self):
        self.assertEqual(plugin.problems({"url": "https://example.com"}), [])
        self.assertEqual([place for place, _ in plugin.problems({"url": ""})], ["/url"])
