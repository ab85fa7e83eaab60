// The shared library: found, compared with what this binding was written for, and its functions bound
// with their arguments checked.
import koffi from 'koffi';
import { checks } from './checks.js';
import { LibraryError, errorOf } from './errors.js';
import { prototypes } from './prototypes.js';
import { declareTypes } from './types.js';

const ABI = 1;
const OLDEST = 0x010100; // 1.1.0

let loaded;

/** The bound functions by their C names. Loaded at the first use; a failure throws LibraryError. */
export function library() {
  return (loaded ??= load(process.env.CAE_LIBRARY || 'libcae.so.1'));
}

/** Throw what a status says, with the text that the context (an address, or null) keeps for it. */
export function check(status, context) {
  if (status >= 0) return status;
  const { cae_context_error, cae_status_string } = library();
  throw errorOf(status, cae_context_error(context) || cae_status_string(status));
}

/** Call a function whose first argument receives a handle; `context` has the text if it fails. */
export function make(context, name, ...rest) {
  const out = new BigUint64Array(1);
  check(library()[name](out, ...rest), context);
  return out[0];
}

/** The text that a call with (text, capacity) in the manner of snprintf writes. */
export function textOf(write) {
  const buffer = Buffer.alloc(write(null, 0) + 1);
  write(buffer, buffer.length);
  return buffer.toString('utf8', 0, buffer.length - 1);
}

function load(path) {
  let shared;
  try {
    shared = koffi.load(path);
  } catch (cause) {
    throw new LibraryError(`cannot load ${path} (CAE_LIBRARY may give a path): ${cause.message}`,
      { cause });
  }
  refuseOthers(path, shared);
  declareTypes();
  return Object.fromEntries(prototypes.map((text) => bind(path, shared, text)));
}

function refuseOthers(path, shared) {
  const call = (prototype) => symbol(path, shared, prototype)();
  const abi = call('uint32_t cae_abi_version(void)');
  const version = call('uint32_t cae_version_number(void)');
  const text = call('const char *cae_version_string(void)');
  if (abi !== ABI)
    throw new LibraryError(`${path}: libcae ${text} has ABI version ${abi}, needed is ${ABI}`);
  if (version < OLDEST)
    throw new LibraryError(`${path}: found libcae ${text}, needed is 1.1.0 or later`);
}

function symbol(path, shared, prototype) {
  try {
    return shared.func(prototype);
  } catch (cause) {
    throw new LibraryError(`${path} is not a libcae this binding can use: ${cause.message}`, { cause });
  }
}

/** "status name(type a, type *b)" -> [name, function]. */
function bind(path, shared, prototype) {
  const native = symbol(path, shared, prototype);
  const [, name, list] = /(\w+)\((.*)\)$/.exec(prototype);
  const parameters = list === 'void' ? [] : list.split(',').map((parameter) => {
    const [, type, label] = /^\s*(.*?)\s*(\w+)$/.exec(parameter);
    return { check: checks[type], label };
  });
  return [name, (...values) => {
    parameters.forEach(({ check, label }, i) => check?.(values[i], label));
    return native(...values);
  }];
}
