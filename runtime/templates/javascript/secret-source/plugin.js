// The interfaces that the contract wants, by their names.

import * as host from './host.js';
import * as logic from './logic.js';
import * as utf8 from './utf8.js';

export { manifest } from './host.js';

export const keeping = {
  fetch(name, settings) {
    const url = logic.address(JSON.parse(settings).url, name);
    const secret = host.read(logic.value, host.success(host.send('GET', url)));
    return { ...secret, value: utf8.encode(secret.value) };
  },
};
