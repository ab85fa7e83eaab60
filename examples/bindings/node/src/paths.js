// Paths as node's fs takes them: a string or a file URL.
import { fileURLToPath } from 'node:url';

export const pathOf = (path) => (path instanceof URL ? fileURLToPath(path) : path);
