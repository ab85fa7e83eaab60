// Options and results: JavaScript objects in camelCase <-> the structs of cae.h.
import koffi from 'koffi';
import { checks, refuse } from './checks.js';
import { library } from './library.js';
import { enums, structs, sums } from './types.js';

const snake = (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camel = (field) => field.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

/** The value of an enumerator's name. Numbers pass: whether they mean anything is the library's to say. */
export function enumerator(name, value) {
  if (typeof value !== 'string') return value;
  const at = enums[name].indexOf(value);
  return at >= 0 ? at : refuse(TypeError, name, `one of ${enums[name].join(', ')}`, value);
}

/** The sum of some enumerators: a number, or a list of names. */
function sum(name, value) {
  if (!Array.isArray(value)) return value;
  return value.reduce((all, each) => {
    const at = sums[name].indexOf(each);
    return at >= 0 ? all | 1 << at : refuse(TypeError, name, `some of ${sums[name].join(', ')}`, each);
  }, 0);
}

/** `options` as a struct: the library's defaults with what is given (and not undefined) in their place.
 * A key such as `kernel` stands for the pair kernel_h, kernel_w and takes a number or [h, w]. */
export function optionsOf(struct, options = {}) {
  const fields = structs[struct];
  const bytes = begin(struct);
  const result = koffi.decode(bytes, struct);
  const set = (field, key, value) => {
    const plain = enums[field] ? enumerator(field, value) : sums[field] ? sum(field, value)
      : typeof value === 'boolean' ? +value : value;
    checks[fields[field]]?.(plain, key);
    result[field] = plain;
  };
  for (const [key, value] of Object.entries(options)) {
    const field = snake(key);
    if (value === undefined) continue;
    if (`${field}_h` in fields) {
      const pair = Array.isArray(value) ? value : [value, value];
      if (pair.length !== 2) refuse(TypeError, key, 'a number or [h, w]', value);
      set(`${field}_h`, key, pair[0]);
      set(`${field}_w`, key, pair[1]);
    } else if (isOption(field, fields[field])) {
      set(field, key, value);
    } else {
      throw new TypeError(`no option "${key}"`);
    }
  }
  return result;
}

/** Sizes are set by init; pointers are for this package to set. */
const isOption = (field, type) => type in checks && field !== 'size' && !field.startsWith('reserved');

/** What `fill` writes to a struct that begins with its size, as an object. */
export function resultOf(struct, fill) {
  const bytes = begin(struct);
  fill(bytes);
  return objectOf(struct, bytes);
}

/** A struct at an address or in a Uint8Array, as an object. */
export function objectOf(struct, at) {
  const { size, reserved, ...fields } = koffi.decode(at, struct);
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [camel(field), value]));
}

/** A struct as its init call leaves it, in memory of its own: C may hold on to it during callbacks. */
function begin(struct) {
  const init = library()[`${struct}_init`];
  const bytes = new Uint8Array(new ArrayBuffer(koffi.sizeof(struct)));
  init(bytes, bytes.length);
  return bytes;
}
