// Context: threads, instruction set, log, and the text of the last error.
import koffi from 'koffi';
import { refuse } from './checks.js';
import { Handle, Made } from './handle.js';
import { library, make } from './library.js';
import { optionsOf } from './options.js';
import { enums } from './types.js';

/** C may log as long as anything made from the context lives. All of those hold one object, and when
 * it is collected nothing can call any more: only then koffi's slot is free again. */
const silent = new FinalizationRegistry((slot) => koffi.unregister(slot));

function registerLog(log) {
  if (typeof log !== 'function') refuse(TypeError, 'log', 'a function', log);
  const slot = koffi.register((_, level, text) => {
    try {
      log(enums.level[level] ?? level, text);
    } catch (error) { // not through C: as from an event listener
      queueMicrotask(() => { throw error; });
    }
  }, 'cae_log_fn');
  const kept = { slot };
  silent.register(kept, slot);
  return kept;
}

export class Context extends Handle {
  static destroy = 'cae_context_destroy';

  constructor({ threads, engine, cpu, log, ...unknown } = {}) {
    const options = optionsOf('cae_context_options', { threads, engine, cpu, ...unknown });
    const kept = log === undefined ? null : registerLog(log);
    if (kept) options.log = kept.slot;
    super(new Made({ address: make(null, 'cae_context_create', options), log: kept }));
  }

  get threads() {
    return library().cae_context_threads(Handle.address(this, Context));
  }

  set threads(count) {
    Handle.check(this, library().cae_context_set_threads(Handle.address(this, Context), count));
  }

  get cpu() {
    const value = library().cae_context_cpu(Handle.address(this, Context));
    return enums.cpu[value] ?? value;
  }
}
