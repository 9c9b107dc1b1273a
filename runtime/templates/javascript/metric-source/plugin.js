// The interfaces that the contract wants, by their names.

import * as logic from './logic.js';
import * as web from './web.js';

export { manifest } from './host.js';

function ask(expression, window, step, settings) {
  const { url } = JSON.parse(settings);
  const question = logic.question(expression, window, step);
  return web.read(logic.values, web.success(web.send('POST', url, question)));
}

export const measuring = {
  query(expression, window, settings) {
    // No data is no failure, and no zero either.
    return ask(expression, window, null, settings).at(-1)?.value;
  },

  series(expression, window, step, settings) {
    return ask(expression, window, Number(step), settings);
  },
};
