import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

test('nonsense is refused', () => {
  assert.deepEqual(logic.problems({ url: 'https://example.com' }), []);
  assert.equal(logic.problems({ url: '' })[0].pointer, '/url');
});

test('a secret is found and read', () => {
  assert.equal(logic.address('https://example.com/v1/', 'A'), 'https://example.com/v1/A');
  assert.equal(logic.value({ value: 's3cret' }).value, 's3cret');
});
