import unittest

import plugin


class Test(unittest.TestCase):
    def test_an_answer_is_read(self):
        self.assertEqual(plugin.values({"values": [[10, 1], [20, 2.5]]}), [(10, 1.0), (20, 2.5)])
        with self.assertRaises(KeyError):
            plugin.values({})

    def test_nonsense_is_refused(self):
        self.assertEqual([place for place, _ in plugin.problems({"url": ""})], ["/url"])
