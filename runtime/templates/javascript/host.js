// What the interfaces of the contract have in common: the manifest, and failures.

import * as logic from './logic.js';

export const manifest = {
  describe() {
    return {
      name: 'plugin-name',
      version: '0.1.0',
      summary: logic.summary,
      settingsSchema: JSON.stringify(logic.schema),
      requests: logic.requests.map((request) => ({ ...request, optional: false })),
      details: JSON.stringify(logic.details ?? {}),
    };
  },

  validate(settings) {
    return logic.problems(JSON.parse(settings));
  },
};

// The failure to throw: `throw failure('missing', '…')`.
export function failure(code, message) {
  const retryable = ['unavailable', 'timeout', 'conflict'].includes(code);
  return { code, message, retryable, details: '{}' };
}

// The failure in what was caught; what is none was a mistake in here.
export function caught(error) {
  const failure = error?.payload ?? error;
  if (typeof failure?.code !== 'string') throw error;
  return failure;
}
