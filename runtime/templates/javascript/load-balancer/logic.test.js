import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as logic from './logic.js';

function member(name, admission) {
  return { target: { name, address: `${name}:80` }, admission };
}

test('what is read is told', () => {
  const server = { name: 'web01', address: 'web01:80', weight: 2500, admission: 'ready' };
  const { revision, members } = logic.state({ revision: 7, servers: [server] });
  assert.deepEqual([revision, members[0].percent], ['7', 25]);
  assert.throws(() => logic.state({}));
});

test('a share is split among the ready', () => {
  const members = [member('web01', 'ready'), member('web02', 'draining'), member('web03', 'ready')];
  const { servers } = logic.document([{ group: 'web', percent: 100, members }]);
  assert.deepEqual(servers.map(({ weight }) => weight), [5_000, 0, 5_000]);
});

test('nonsense is refused', () => {
  assert.equal(logic.problems({ api: '' })[0].pointer, '/api');
});
