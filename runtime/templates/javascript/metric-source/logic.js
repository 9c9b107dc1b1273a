// Asks a monitoring system for numbers: what needs no host.

export const summary = 'Asks a monitoring system for numbers.';

export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: { type: 'string', description: 'Where it answers.' },
  },
};

// What an operator writes in `url` is granted by having been written.
export const requests = [
  { capability: 'http', scope: '{url}', purpose: 'read', reason: 'to ask for numbers' },
];

// What the schema cannot tell: each problem at its JSON Pointer.
export function problems(settings) {
  return settings.url === '' ? [{ pointer: '/url', message: 'where to?' }] : [];
}

// The URL that is asked; times in milliseconds.
export function question(url, expression, { start, end }, step) {
  const parameters = { expression, start, end, ...(step === undefined ? {} : { step }) };
  const query = Object.entries(parameters).map(([name, value]) => {
    return `${name}=${encodeURIComponent(value)}`;
  });
  return `${url}?${query.join('&')}`;
}

// The samples of an answer.
export function values(answer) {
  return answer.values.map(([at, value]) => {
    if (typeof value !== 'number') throw new Error('a value is no number');
    // This engine takes 64 bits as a number.
    return { at: Number(at), value };
  });
}
