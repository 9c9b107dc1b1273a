import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

test('each target has its place', () => {
  const place = logic.place({ root: '/srv/{target}' }, 'web01');
  assert.equal(place.active, '/srv/web01/active');
  assert.equal(place.release('2'), '/srv/web01/releases/2');
});

test('what was cut off is not complete', () => {
  const [whole, part] = logic.installed(['1', '2.partial']);
  assert.deepEqual(whole, { id: '1', complete: true });
  assert.deepEqual(part, { id: '2', complete: false });
});

test('nonsense is refused', () => {
  assert.deepEqual(logic.problems({ root: '/srv/{target}' }), []);
  assert.equal(logic.problems({ root: '/{x}' })[0].pointer, '/root');
});
