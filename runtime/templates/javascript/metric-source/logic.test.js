import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

test('nonsense is refused', () => {
  assert.deepEqual(logic.problems({ url: 'https://example.com' }), []);
  assert.equal(logic.problems({ url: '' })[0].pointer, '/url');
});

test('an answer is read', () => {
  assert.deepEqual(logic.values({ values: [[10, 2.5]] }), [{ at: 10, value: 2.5 }]);
  assert.throws(() => logic.values({}));
});
