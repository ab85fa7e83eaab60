#!/bin/sh
# Compiles the binding and its test into $CAE_SCRATCH with javac and runs the test, in TAP. JNA is fetched
# once, through Maven, unless the system has it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "1..0 # SKIP $1"; exit 77; }

{ command -v javac && command -v java; } >/dev/null || skip 'no JDK'
javac --release 17 --version >/dev/null 2>&1 || skip 'JDK is older than 17'
mkdir -p "$CAE_SCRATCH/tmp"
cd "$CAE_SCRATCH"

version=$(sed -n '/<artifactId>jna</,/<version>/s/.*<version>\(.*\)<.*/\1/p' "$here/pom.xml")
jna="$CAE_SCRATCH/jna-$version.jar"
if ! test -f "$jna"; then
  if command -v mvn >/dev/null && mvn -q -B dependency:copy "-Dartifact=net.java.dev.jna:jna:$version" \
      "-DoutputDirectory=$CAE_SCRATCH" >mvn.log 2>&1 && test -f "$jna"; then
    :
  elif test -f /usr/share/java/jna.jar; then
    jna=/usr/share/java/jna.jar
  else
    skip 'no JNA, and Maven cannot fetch it'
  fi
fi

if ! test -d classes || test -n "$(find "$here/src" -newer classes -print | head -n 1)"; then
  rm -rf classes
  find "$here/src" -name '*.java' >sources
  javac -Xlint:all -Werror --release 17 -cp "$jna" -d classes @sources
fi

# What the README's reader has in one folder.
rm -rf readme
mkdir readme
jar --create --file readme/cae-1.1.0.jar -C classes .
ln -s "$jna" readme/jna.jar
export CAE_README="$here/README.md"
exec java -XX:TieredStopAtLevel=1 "-Djna.tmpdir=$CAE_SCRATCH/tmp" \
  -cp "classes:$jna" org.libcae.ContractTest
