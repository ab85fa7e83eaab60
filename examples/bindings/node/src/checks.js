// What may be passed where C expects a type. koffi cuts 1.5 to 1 and wraps 2 ** 32 to 0 without a
// word, and a foreign number where a pointer belongs ends the process: all values are looked at first.

const show = (value) =>
  typeof value === 'string' ? JSON.stringify(value)
    : value?.constructor && typeof value === 'object' ? `a ${value.constructor.name}`
      : typeof value === 'bigint' ? `${value}n` : String(value);

const refuse = (type, name, expected, value) => {
  throw new type(`${name}: expected ${expected}, found ${show(value)}`);
};

const integer = (low, high) => (value, name) => {
  const big = typeof value === 'bigint';
  if (!big && !Number.isInteger(value)) refuse(TypeError, name, 'an integer', value);
  if (value < low || value > high) refuse(RangeError, name, `an integer from ${low} to ${high}`, value);
  if (!big && !Number.isSafeInteger(value))
    refuse(RangeError, name, 'a bigint for what a number does not hold exactly', value);
};

const array = (...types) => (value, name) => {
  if (!types.some((type) => value instanceof type))
    refuse(TypeError, name, types.map((type) => `a ${type.name}`).join(' or '), value);
};

const text = (value, name) => {
  if (typeof value !== 'string') refuse(TypeError, name, 'a string', value);
  if (value.includes('\0')) refuse(TypeError, name, 'a string without zeros', value);
};

/** By C type: (value, name) => throws TypeError or RangeError. Other types are made by this package. */
export const checks = {
  int32_t: integer(-(2 ** 31), 2 ** 31 - 1),
  uint32_t: integer(0, 2 ** 32 - 1),
  int64_t: integer(-(2n ** 63n), 2n ** 63n - 1n),
  uint64_t: integer(0, 2n ** 64n - 1n),
  size_t: integer(0, 2n ** 64n - 1n),
  double: (value, name) => {
    if (typeof value !== 'number') refuse(TypeError, name, 'a number', value);
  },
  'const float *': array(Float32Array),
  'float *': array(Float32Array),
  'const void *': array(Uint8Array, Uint8ClampedArray, Float32Array),
  'const char *': text,
};

export { refuse };
