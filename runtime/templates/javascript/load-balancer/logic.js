// Speaks to a load balancer that has an API over HTTP: its state is one JSON document, which is
// read and replaced as a whole. Here is what needs no host.

export const summary = 'A load balancer with an API over HTTP.';

export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['api'],
  properties: {
    api: { type: 'string', description: 'Where its API answers.' },
  },
};

// What an operator writes in `api` is granted by having been written.
export const requests = [
  { capability: 'http', scope: '{api}', purpose: 'read', reason: 'to see who gets the traffic' },
  { capability: 'http', scope: '{api}', purpose: 'change', reason: 'to say who gets the traffic' },
];

export const traits = ['shares', 'drains', 'reads-running-state', 'weight-steps=10000'];

// What the schema cannot tell: each problem at its JSON Pointer.
export function problems(settings) {
  return settings.api === '' ? [{ pointer: '/api', message: 'where does it answer?' }] : [];
}

// What the load balancer says.
export function state({ revision, servers }) {
  if (!Number.isInteger(revision)) throw new Error('the revision is no whole number');
  const members = servers.map(({ name, weight, admission }) => {
    if (typeof name !== 'string' || typeof admission !== 'string' || !Number.isInteger(weight)) {
      throw new Error('a server lacks its name, weight or admission');
    }
    return { target: name, percent: weight / 100, admission };
  });
  return { revision: String(revision), members };
}

// What the load balancer is told: the share of each pool, split among those that are ready.
export function document(pools) {
  const servers = pools.flatMap(({ percent, members }) => {
    const ready = members.filter(({ admission }) => admission === 'ready').length;
    return members.map(({ target: { name, address }, admission }) => {
      if (address === undefined) throw new RangeError(`target \`${name}\` has no address`);
      const share = admission === 'ready' ? percent / ready : 0;
      // Of ten thousand.
      return { name, address, weight: Math.round(share * 100), admission };
    });
  });
  return { servers };
}
