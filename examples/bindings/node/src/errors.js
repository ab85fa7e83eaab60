// Errors: one class a status, all of them CaeError.

/** What the library, or this binding on its behalf, refuses. */
export class CaeError extends Error {
  /** @param status a cae_status, or null when no call was made */
  constructor(message, { code = 'ERR_CAE', status = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status;
  }
}

function kind(name, code) {
  const type = {
    [name]: class extends CaeError {
      constructor(message, more) {
        super(message, { code, ...more });
      }
    },
  }[name];
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true });
  return type;
}

Object.defineProperty(CaeError.prototype, 'name', { value: 'CaeError', configurable: true, writable: true });

export const ArgumentError = kind('ArgumentError', 'ERR_CAE_ARGUMENT');
export const MemoryError = kind('MemoryError', 'ERR_CAE_MEMORY');
export const ShapeError = kind('ShapeError', 'ERR_CAE_SHAPE');
export const OptionsError = kind('OptionsError', 'ERR_CAE_OPTIONS');
export const IoError = kind('IoError', 'ERR_CAE_IO');
export const FormatError = kind('FormatError', 'ERR_CAE_FORMAT');
export const NumericError = kind('NumericError', 'ERR_CAE_NUMERIC');
export const UnsupportedError = kind('UnsupportedError', 'ERR_CAE_UNSUPPORTED');
export const NameError = kind('NameError', 'ERR_CAE_NAME');

/** A handle was used after close(), or its borrowed memory has been transferred away. */
export const ClosedError = kind('ClosedError', 'ERR_CAE_CLOSED');
/** The shared library is missing, or not one that this binding can use. */
export const LibraryError = kind('LibraryError', 'ERR_CAE_LIBRARY');

const byStatus = {
  [-1]: ArgumentError,
  [-2]: MemoryError,
  [-3]: ShapeError,
  [-4]: OptionsError,
  [-5]: IoError,
  [-6]: FormatError,
  [-7]: NumericError,
  [-8]: UnsupportedError,
  [-9]: NameError,
};

/** The error for a status below 0. */
export function errorOf(status, text) {
  return new (byStatus[status] ?? CaeError)(text, { status });
}
