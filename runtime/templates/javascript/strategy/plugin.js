// The interfaces that the contract wants, by their names.

import { watch } from 'deploy:plugin/analysis@0.1.0';
import { begin, wait } from 'deploy:plugin/course@0.1.0';
import { wait as prove } from 'deploy:plugin/health@0.1.0';
import { activate, install } from 'deploy:plugin/releases@0.1.0';
import { current, drain, restore, split } from 'deploy:plugin/traffic@0.1.0';
import * as host from './host.js';
import * as logic from './logic.js';

export { manifest } from './host.js';

const does = {
  begin,
  install,
  activate,
  prove: (targets) => prove(targets, undefined),
  drain: (targets) => drain(targets, undefined),
  restore,
  split: (shares) =>
    split(Object.entries(shares).map(([group, percent]) => ({ group, percent }))),
};

// By the operator's analysis where there is one.
function watched({ targets, pause }, analysed) {
  if (!analysed) return wait(pause);
  if (watch(targets, [], pause).kind === 'passed') return undefined;
  throw host.failure('breached', 'the analysis could not tell whether the target is well');
}

export const deploymentStrategy = {
  run(deployment, settings) {
    const { balancer = true, analysis = false } = JSON.parse(deployment.details);
    let shares;
    if (balancer) {
      shares = Object.fromEntries(deployment.targets.map(({ group }) => [group, 0]));
      for (const { group, percent } of current()) shares[group] = percent;
    }
    // Going back to what was there before, nothing need be watched.
    const back = deployment.purpose === 'rollback';
    const pause = back ? 0 : logic.pause(JSON.parse(settings));
    try {
      for (const [name, argument] of logic.calls(deployment, shares, pause)) {
        if (name === 'watch') watched(argument, analysis);
        else does[name](argument);
      }
    } catch (error) {
      throw error instanceof RangeError
        ? host.failure('invalid', error.message)
        : host.caught(error);
    }
  },
};
