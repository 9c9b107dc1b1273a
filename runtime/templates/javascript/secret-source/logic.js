// Brings secrets from a server that keeps them: what needs no host.

export const summary = 'Brings secrets from a server that keeps them.';

export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: { type: 'string', description: 'Where the server answers.' },
  },
};

// What an operator writes in `url` is granted by having been written.
export const requests = [
  { capability: 'http', scope: '{url}', purpose: 'read', reason: 'to fetch secrets' },
];

// What the schema cannot tell: each problem at its JSON Pointer.
export function problems(settings) {
  return settings.url === '' ? [{ pointer: '/url', message: 'where to?' }] : [];
}

// Where the secret of that name lies.
export function address(url, name) {
  return `${url.replace(/\/+$/, '')}/${name}`;
}

// Value and version of an answer.
export function value(answer) {
  if (typeof answer.value !== 'string') throw new Error('the value is no text');
  return { value: answer.value, version: answer.version };
}
