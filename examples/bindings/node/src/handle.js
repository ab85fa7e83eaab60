// Handle: the base of all classes that own something in C. It knows the address, gives it back once
// (close, `using`, or the garbage collector), and refuses to be used afterwards.
import { check, library, make } from './library.js';
import { CaeError, ClosedError } from './errors.js';
import { refuse } from './checks.js';

/** What is left to do when a handle is gone. It must not lead back to the handle. */
function giveBack(state) {
  if (state.address === null) return;
  library()[state.destroy](state.address);
  state.address = state.borrowed = state.log = null;
}

const collected = new FinalizationRegistry(giveBack);

/** A fresh C object, for the constructor of its class:
 *    address   what C gave us
 *    context   address of the context that keeps error texts
 *    borrowed  typed array that C reads as long as the handle lives, or null
 *    log       what keeps the context's log function, or null
 *  The last two are handed on to what is made from a handle, since C keeps the original alive as long. */
export class Made {
  constructor({ address, context = address, borrowed = null, log = null }) {
    Object.assign(this, { address, context, borrowed, log });
  }

  /** Call a create function, whose first argument receives the handle, for what is made from `parent`. */
  static from(parent, name, rest, more) {
    const kept = Handle.inherit(parent);
    return new Made({ ...kept, ...more, address: make(kept.context, name, ...rest) });
  }
}

export class Handle {
  #state;

  /** @param made a Made */
  constructor({ address, context, borrowed, log }) {
    this.#state = { destroy: new.target.destroy, address, context, borrowed, log, busy: 0 };
    collected.register(this, this.#state, this.#state);
  }

  /** Give the C object back. Doing so twice is harmless. */
  close() {
    const state = this.#state;
    if (state.busy)
      throw new CaeError('a trainer cannot be closed by its own callback', { code: 'ERR_CAE_BUSY' });
    collected.unregister(state);
    giveBack(state);
  }

  get closed() {
    return this.#state.address === null;
  }

  /** The address to pass to C. */
  static address(handle, type, name = type.name.toLowerCase()) {
    if (!(handle instanceof type)) refuse(TypeError, name, `a ${type.name}`, handle);
    const { address, borrowed } = handle.#state;
    if (address === null) throw new ClosedError(`this ${type.name} is closed`);
    if (borrowed && borrowed.byteLength === 0)
      throw new ClosedError('the memory that the dataset borrowed has been transferred away');
    return address;
  }

  /** What a handle made from this one inherits. */
  static inherit(handle) {
    const { context, borrowed, log } = handle.#state;
    return { context, borrowed, log };
  }

  /** Call a C function with this handle's error text at hand. */
  static check(handle, status) {
    return check(status, handle.#state.context);
  }

  /** While `body` runs, close() is refused: C is inside a call on this handle. */
  static during(handle, body) {
    handle.#state.busy++;
    try {
      return body();
    } finally {
      handle.#state.busy--;
    }
  }
}

if (Symbol.dispose) {
  Object.defineProperty(Handle.prototype, Symbol.dispose, {
    value() { this.close(); }, configurable: true, writable: true,
  });
}
