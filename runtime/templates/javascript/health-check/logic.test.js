import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

test('the status decides', () => {
  assert.equal(logic.judge('u', 200).status, 'healthy');
  assert.deepEqual(logic.judge('u', 503), { status: 'unhealthy', message: 'u: 503' });
});

test('nonsense is refused', () => {
  assert.deepEqual(logic.problems({}), []);
  assert.equal(logic.problems({ path: 'x' })[0].pointer, '/path');
});
