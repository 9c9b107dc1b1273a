// The interfaces that the contract wants, by their names.

import { id } from 'deploy:plugin/call@0.1.0';
import * as host from './host.js';
import * as logic from './logic.js';

export { manifest } from './host.js';

export const notifying = {
  notify(event, settings) {
    const { url } = JSON.parse(settings);
    // A repetition of the same call has the same id, so that nobody is told twice.
    const headers = [['idempotency-key', id()]];
    host.success(host.send('POST', url, logic.payload(event), headers));
  },
};
