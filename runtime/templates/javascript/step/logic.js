// Opens a change ticket, and closes it where the release is taken back: what needs no host.

export const summary = 'Opens a change ticket.';

export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: { type: 'string', description: 'Where tickets are opened.' },
  },
};

// What an operator writes in `url` is granted by having been written.
export const requests = [
  { capability: 'http', scope: '{url}', purpose: 'change', reason: 'to open and close tickets' },
];

// What the schema cannot tell: each problem at its JSON Pointer.
export function problems(settings) {
  return settings.url === '' ? [{ pointer: '/url', message: 'where to?' }] : [];
}

// What is kept with the deployment, of what the other side answered.
export function outcome(answer) {
  if (typeof answer.id !== 'string') throw new Error("the ticket's id is no text");
  return { id: answer.id };
}

// The URL of the ticket that was opened.
export function ticket(url, outcome) {
  return `${url.replace(/\/+$/, '')}/${outcome.id}`;
}
