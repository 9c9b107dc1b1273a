// The interfaces that the contract wants, by their names.

import * as host from './host.js';
import * as logic from './logic.js';
import * as web from './web.js';

export { manifest } from './host.js';

function report(url) {
  try {
    return logic.judge(url, web.send('GET', url).status);
  } catch (failure) {
    // A target that does not answer is not well; a failure would say that the check itself could
    // not be made.
    if (failure.code !== 'unavailable' && failure.code !== 'timeout') throw failure;
    return { status: 'unhealthy', message: `${url}: ${failure.message}` };
  }
}

export const checking = {
  check(target, release, settings) {
    if (target.address === undefined) {
      throw host.failure('invalid', `target \`${target.name}\` has no address`);
    }
    const seen = report(`http://${target.address}${logic.path(JSON.parse(settings))}`);
    return { ...seen, measurements: [], details: '{}' };
  },
};
