#!/bin/sh
# Packs and installs the package into $CAE_SCRATCH and runs its tests there, in TAP. The package is
# fetched once (koffi); later runs need no network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "1..0 # SKIP $1"; exit 77; }

command -v node >/dev/null || skip 'no node'
command -v npm >/dev/null || skip 'no npm'
node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' || skip 'node is older than 18'
mkdir -p "$CAE_SCRATCH"
cd "$CAE_SCRATCH"
export npm_config_cache="$CAE_SCRATCH/npm" npm_config_audit=false npm_config_fund=false
export npm_config_update_notifier=false

npm pack --silent "$here" >/dev/null
if ! test -d node_modules/koffi; then
  npm install --silent --prefix . ./cae-1.1.0.tgz >install.log 2>&1 || skip 'npm cannot install koffi'
fi
rm -rf node_modules/cae
mkdir node_modules/cae
tar -xzf cae-1.1.0.tgz --strip-components=1 -C node_modules/cae
rm -rf test project
cp -R "$here/test" test

# What the README's reader has: a new project, and a clone elsewhere. npm finds koffi in its cache by now.
mkdir -p project/path/to
ln -s "$here/../../.." project/path/to/libcae
(cd project && npm init --yes >/dev/null)
export CAE_README="$here/README.md" npm_config_offline=true
exec node --expose-gc --test-reporter=tap test/contract.test.mjs
