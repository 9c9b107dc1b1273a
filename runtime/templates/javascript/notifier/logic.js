// Posts each event as JSON: what needs no host.

export const summary = 'Posts each event as JSON.';

export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: { type: 'string', description: 'Where to post.' },
  },
};

// What an operator writes in `url` is granted by having been written.
export const requests = [
  { capability: 'http', scope: '{url}', purpose: 'change', reason: 'to post each event' },
];

// What the schema cannot tell: each problem at its JSON Pointer.
export function problems(settings) {
  return settings.url === '' ? [{ pointer: '/url', message: 'where to?' }] : [];
}

// What is posted.
export function payload(event) {
  const text = `${event.application} ${event.release.version}: ${event.message}`;
  return { event: event.kind, text };
}
