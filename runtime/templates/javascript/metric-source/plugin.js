// The interfaces that the contract wants, by their names.

import * as host from './host.js';
import * as logic from './logic.js';

export { manifest } from './host.js';

function ask(expression, window, step, settings) {
  const { url } = JSON.parse(settings);
  const question = logic.question(expression, window, step);
  return host.read(logic.values, host.success(host.send('POST', url, question)));
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
