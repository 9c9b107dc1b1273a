// The interfaces that the contract wants, by their names.

import * as host from './host.js';
import * as logic from './logic.js';
import * as web from './web.js';

export { manifest } from './host.js';

function document(pools) {
  try {
    return logic.document(pools);
  } catch (error) {
    throw host.failure('invalid', error.message);
  }
}

export const balancing = {
  traits() {
    return logic.traits;
  },

  read(targets, settings) {
    const { api } = JSON.parse(settings);
    const state = web.read(logic.state, web.success(web.send('GET', api)));
    return { ...state, routes: [], details: '{}' };
  },

  apply(desired, settings) {
    const { api } = JSON.parse(settings);
    for (const { name } of desired.routes) {
      throw host.failure('invalid', `there is no way to make the route \`${name}\``);
    }
    // Whoever changed it meanwhile is not overwritten.
    const { expected } = desired;
    const headers = expected === undefined ? [] : [['if-match', `"${expected}"`]];
    const answer = web.send('PUT', api, document(desired.pools), headers);
    if (answer.status === 412) {
      throw host.failure('conflict', 'the load balancer was changed meanwhile');
    }
    web.success(answer);
  },
};
