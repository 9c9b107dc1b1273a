import unittest

import plugin


class Test(unittest.TestCase):
    def test_a_secret_is_found_and_read(self):
        self.assertEqual(plugin.address("https://example.com/v1/", "A"), "https://example.com/v1/A")
        self.assertEqual(plugin.value({"value": "s3cret"}), (b"s3cret", None))

    def test_nonsense_is_refused(self):
        self.assertEqual([place for place, _ in plugin.problems({"url": ""})], ["/url"])
