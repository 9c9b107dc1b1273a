// Asks each target whether it is well: what needs no host.

export const summary = 'Asks each target whether it is well.';

export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  properties: {
    path: { type: 'string', default: '/health', description: 'The path that is asked for.' },
  },
};

export const requests = [
  {
    capability: 'http',
    scope: 'http://{target.address}',
    purpose: 'read',
    reason: 'to ask each target whether it is well',
  },
];

// What the schema cannot tell: each problem at its JSON Pointer.
export function problems(settings) {
  if (path(settings).startsWith('/')) return [];
  return [{ pointer: '/path', message: 'a path begins with a slash' }];
}

// The path that is asked for.
export function path(settings) {
  return settings.path ?? '/health';
}

// How well a target is that answered so.
export function judge(url, status) {
  return { status: status === 200 ? 'healthy' : 'unhealthy', message: `${url}: ${status}` };
}
