import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

test('nonsense is refused', () => {
  assert.deepEqual(logic.problems({ url: 'https://example.com' }), []);
  assert.equal(logic.problems({ url: '' })[0].pointer, '/url');
});

test('an expression may have anything in it', () => {
  const url = logic.question('https://example.com/q', 'a > 1 & b', { start: 0n, end: 10n });
  assert.equal(url, 'https://example.com/q?expression=a%20%3E%201%20%26%20b&start=0&end=10');
});

test('an answer is read', () => {
  assert.deepEqual(logic.values({ values: [[10, 2.5]] }), [{ at: 10, value: 2.5 }]);
  assert.throws(() => logic.values({}));
});
