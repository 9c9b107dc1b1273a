import unittest

import plugin


class Test(unittest.TestCase):
    def test_an_expression_may_have_anything_in_it(self):
        url = plugin.question("https://example.com/q", "a > 1 & b", 0, 10, None)
        self.assertEqual(url, "https://example.com/q?expression=a%20%3E%201%20%26%20b&start=0&end=10")

    def test_an_answer_is_read(self):
        self.assertEqual(plugin.values({"values": [[10, 1], [20, 2.5]]}), [(10, 1.0), (20, 2.5)])
        with self.assertRaises(KeyError):
            plugin.values({})

    def test_nonsense_is_refused(self):
        self.assertEqual([place for place, _ in plugin.problems({"url": ""})], ["/url"])
