import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

function deployment(targets) {
  return {
    targets: targets.map(([name, group]) => ({ name, group })),
    active: targets.map(([name]) => [name, '1']),
    details: '{}',
  };
}

test('one after the other', () => {
  const both = deployment([['web01', 'web'], ['web02', 'web']]);
  const calls = [...logic.calls(both, { web: 100 }, 60_000)].map(String);
  const place = (call) => calls.indexOf(String(call));
  assert.ok(place(['restore', 'web01']) > place(['activate', 'web01']));
  assert.ok(place(['restore', 'web01']) < place(['drain', 'web02']));
});

test('the only one of its group lends its share', () => {
  const two = deployment([['a', 'blue'], ['b', 'green']]);
  const [lent] = [...logic.calls(two, { blue: 50, green: 50 }, 0)].filter(([name]) => name === 'split');
  assert.deepEqual(lent[1], { blue: 0, green: 100 });
  assert.throws(() => [...logic.calls(deployment([['a', 'blue']]), { blue: 100 }, 0)]);
});

test('nonsense is refused', () => {
  assert.equal(logic.pause({ pause: '1m30s' }), 90_000);
  assert.equal(logic.problems({ pause: 'soon' })[0].pointer, '/pause');
});
