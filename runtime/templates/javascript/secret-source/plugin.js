// The interfaces that the contract wants, by their names.

import * as logic from './logic.js';
import * as utf8 from './utf8.js';
import * as web from './web.js';

export { manifest } from './host.js';

export const keeping = {
  fetch(name, settings) {
    const url = logic.address(JSON.parse(settings).url, name);
    const secret = web.read(logic.value, web.success(web.send('GET', url)));
    return { ...secret, value: utf8.encode(secret.value) };
  },
};
