import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

test('nonsense is refused', () => {
  assert.deepEqual(logic.problems({ url: 'https://example.com' }), []);
  assert.equal(logic.problems({ url: '' })[0].pointer, '/url');
});

test('a ticket is kept and found', () => {
  const kept = logic.outcome({ id: 'C-1', more: true });
  assert.equal(logic.ticket('https://example.com/', kept), 'https://example.com/C-1');
  assert.throws(() => logic.outcome({ id: 1 }));
});
