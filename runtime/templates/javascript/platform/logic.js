// Releases side by side in a directory, and a file that says which one runs: what needs no host.

export const summary = 'Releases side by side in a directory.';

export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  required: ['root'],
  properties: {
    root: {
      type: 'string',
      description:
        "The application's directory on the target; `{target}` stands for the target's name.",
    },
  },
};

// What an operator writes in `root` is granted by having been written.
export const requests = [
  {
    capability: 'files',
    scope: 'read:{root}',
    purpose: 'read',
    reason: 'to see which releases are there, and which one runs',
  },
  {
    capability: 'files',
    scope: 'write:{root}',
    purpose: 'change',
    reason: 'to put releases there, switch and remove them',
  },
];

// The host brings the artifact, and targets on one machine must have places of their own.
export const details = { artifact: 'unpack', place: '/root' };

// What the schema cannot tell: each problem at its JSON Pointer.
export function problems(settings) {
  if (!/[{}]/.test(settings.root.replaceAll('{target}', ''))) return [];
  return [{ pointer: '/root', message: 'nothing but `{target}` stands in braces' }];
}

// Where things lie on one target.
export function place(settings, target) {
  const root = settings.root.replaceAll('{target}', target);
  const releases = `${root}/releases`;
  return { active: `${root}/active`, releases, release: (id) => `${releases}/${id}` };
}

// What lies there: what was cut off while it was unpacked has another name.
export function installed(names) {
  return names.map((name) => ({
    id: name.replace(/\.partial$/, ''),
    complete: !name.endsWith('.partial'),
  }));
}
