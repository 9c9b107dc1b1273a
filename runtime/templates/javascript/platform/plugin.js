// The interfaces that the contract wants, by their names.

import * as files from 'deploy:plugin/files@0.1.0';
import { perform } from 'deploy:plugin/machine@0.1.0';
import { caught, failure } from './host.js';
import * as logic from './logic.js';
import * as utf8 from './utf8.js';

export { manifest } from './host.js';

function place(target, settings) {
  return logic.place(JSON.parse(settings), target.name);
}

// What is done; a failure of the host's is the plugin's.
function tried(work) {
  try {
    return work();
  } catch (error) {
    throw caught(error);
  }
}

// Each of these is safe to call again: it makes the same of whatever it finds.
export const hosting = {
  traits() {
    return [];
  },

  active(target, settings) {
    const { active } = place(target, settings);
    let bytes;
    try {
      bytes = files.read(active);
    } catch (error) {
      const why = caught(error);
      if (why.code === 'missing') return undefined;
      throw why;
    }
    try {
      return utf8.decode(bytes).trim();
    } catch {
      throw failure('rejected', `${active} is no text`);
    }
  },

  installed(target, settings) {
    const entries = tried(() => files.list(place(target, settings).releases));
    const releases = logic.installed(entries.map(({ name }) => name));
    return releases.map((release) => ({ ...release, details: '{}' }));
  },

  install(target, { id }, settings) {
    const there = place(target, settings);
    const action = (verb, path, argument) => {
      return { verb, path, argument: utf8.encode(argument), command: undefined };
    };
    // One round trip, however far the target is.
    const actions = [
      action('create-directory', there.releases, ''),
      action('unpack', there.release(id), id),
    ];
    tried(() => perform(actions));
  },

  activate(target, { id }, settings) {
    tried(() => files.write(place(target, settings).active, utf8.encode(id)));
  },

  deactivate(target, settings) {
    tried(() => files.remove(place(target, settings).active));
  },

  remove(target, release, settings) {
    tried(() => files.remove(place(target, settings).release(release)));
  },
};
