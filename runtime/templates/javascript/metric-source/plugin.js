// The interfaces that the contract wants, by their names.

import * as logic from './logic.js';
import * as web from './web.js';

export { manifest } from './host.js';

function ask(expression, window, step, settings) {
  const { url } = JSON.parse(settings);
  const question = logic.question(url, expression, window, step);
  return web.read(logic.values, web.success(web.send('GET', question)));
}

export const measuring = {
  query(expression, window, settings) {
    // No data is no failure, and no zero either.
    return ask(expression, window, undefined, settings).at(-1)?.value;
  },

  series(expression, window, step, settings) {
    return ask(expression, window, step, settings);
  },
};
