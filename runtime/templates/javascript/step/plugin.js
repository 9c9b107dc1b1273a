// The interfaces that the contract wants, by their names.

import { id } from 'deploy:plugin/call@0.1.0';
import * as logic from './logic.js';
import * as web from './web.js';

export { manifest } from './host.js';

export const working = {
  run(occasion, settings) {
    const { url } = JSON.parse(settings);
    const body = { application: occasion.application, version: occasion.release.version };
    // Safe to call again: the other side tells a repetition by its key.
    const answer = web.send('POST', url, body, [['idempotency-key', id()]]);
    return JSON.stringify(web.read(logic.outcome, web.success(answer)));
  },

  undo(occasion, outcome, settings) {
    const { url } = JSON.parse(settings);
    const answer = web.send('DELETE', logic.ticket(url, JSON.parse(outcome)));
    // Closed already.
    if (answer.status !== 404) web.success(answer);
  },
};
