// One target after the other, each watched for a while before the next: what needs no host.

export const summary = 'One target after the other, each watched for a while.';

export const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  properties: {
    pause: {
      type: 'string',
      default: '0s',
      description: 'How long to watch each target before the next, like `30s` or `1m30s`.',
    },
  },
};

// A strategy asks the operator for nothing.
export const requests = [];

// What the schema cannot tell: each problem at its JSON Pointer.
export function problems(settings) {
  if (pause(settings) !== undefined) return [];
  return [{ pointer: '/pause', message: 'write a time like `30s` or `1m30s`' }];
}

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

// How long each target is watched, in milliseconds; undefined where that is no time.
export function pause(settings) {
  const text = settings.pause ?? '0s';
  if (!/^(\d+(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h)/g)) total += count * units[unit];
  return total;
}

// What is done, one call after the other: its name, and what it is called with. `shares` says what
// each group gets of all traffic, in percent; undefined without a load balancer.
//
// Must be deterministic: the same deployment and the same answers, the same calls. A failure makes
// the host take back what was done, so that nothing need be undone here.
export function* calls(deployment, shares, pause) {
  const groups = new Map(deployment.targets.map(({ name, group }) => [name, group]));
  const names = [...groups.keys()];
  const runs = ([, release]) => release !== undefined && release !== null;
  const serving = new Set(deployment.active.filter(runs).map(([name]) => name));
  const nobody = shares !== undefined && Object.values(shares).every((share) => share === 0);
  yield ['begin', 'install'];
  yield ['install', names];
  if (serving.size === 0) {
    yield ['begin', 'activate'];
    yield ['activate', names];
    yield ['prove', names];
  } else {
    const { bystanders = [] } = JSON.parse(deployment.details);
    const pending = names.filter((name) => !bystanders.includes(name));
    // Those first that serve nobody yet: then a group has one more before it lends one.
    pending.sort((a, b) => serving.has(a) - serving.has(b));
    for (const [number, name] of pending.entries()) {
      yield ['begin', `target ${number + 1} of ${pending.length}`];
      yield* replace(name, groups, serving, shares);
      serving.add(name);
      if (pause > 0 && number + 1 < pending.length) yield ['watch', { targets: [name], pause }];
    }
    // Whoever was passed over is not known to be well.
    if (nobody) yield ['prove', [...serving]];
  }
  if (nobody) yield ['split', evenly(groups)];
}

// Takes the traffic from one target, switches it, and gives the traffic back.
function* replace(name, groups, serving, shares) {
  const group = groups.get(name);
  const others = [...serving].filter((other) => groups.get(other) === group && other !== name);
  const lends = shares !== undefined && serving.has(name) && shares[group] > 0;
  if (lends) yield others.length > 0 ? ['drain', [name]] : ['split', without(shares, group)];
  yield ['activate', [name]];
  yield ['prove', [name]];
  if (lends && others.length === 0) yield ['split', shares];
  else if (lends || (shares && !serving.has(name))) yield ['restore', [name]];
}

// The shares where a group gets nothing, and the others its part.
function without(shares, group) {
  const left = Object.entries(shares).filter(([other]) => other !== group);
  const sum = left.reduce((sum, [, share]) => sum + share, 0);
  if (sum <= 0) {
    throw new RangeError(`nothing but \`${group}\` gets traffic, and it has one target only`);
  }
  const others = left.map(([other, share]) => [other, (share * 100) / sum]);
  return { ...Object.fromEntries(others), [group]: 0 };
}

// Shares in proportion to the groups' members.
function evenly(groups) {
  const members = [...groups.values()];
  const count = (group) => members.filter((other) => other === group).length;
  return Object.fromEntries(
    members.map((group) => [group, (100 * count(group)) / members.length]),
  );
}
