import unittest

import plugin


class Test(unittest.TestCase):
    def test_the_status_decides(self):
        self.assertEqual(plugin.judge("u", 200)[0], "healthy")
        self.assertEqual(plugin.judge("u", 503), ("unhealthy", "u: 503"))

    def test_nonsense_is_refused(self):
        self.assertEqual(plugin.problems({}), [])
        self.assertEqual([place for place, _ in plugin.problems({"path": "x"})], ["/path"])
