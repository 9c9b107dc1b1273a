import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

test('nonsense is refused', () => {
  assert.deepEqual(logic.problems({ url: 'https://example.com' }), []);
  assert.equal(logic.problems({ url: '' })[0].pointer, '/url');
});

test('what is posted', () => {
  const event = { kind: 'succeeded', application: 'shop', release: { version: '2.0' }, message: 'all on 2.0' };
  assert.deepEqual(logic.payload(event), { event: 'succeeded', text: 'shop 2.0: all on 2.0' });
});
