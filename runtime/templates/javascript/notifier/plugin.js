// The interfaces that the contract wants, by their names.

import { id } from 'deploy:plugin/call@0.1.0';
import * as logic from './logic.js';
import * as web from './web.js';

export { manifest } from './host.js';

export const notifying = {
  notify(event, settings) {
    const { url } = JSON.parse(settings);
    // A repetition of the same call has the same id, so that nobody is told twice.
    const headers = [['idempotency-key', id()]];
    web.success(web.send('POST', url, logic.payload(event), headers));
  },
};
