#!/bin/sh
# get-cifar10-test.sh - examples/get-cifar10.sh against a server of our own on the loopback address,
# with an archive of six all-zero .bin files. TAP; skipped where python3 or curl is missing.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
for tool in python3 curl; do
    command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is missing"; exit; }
done

temp=$(mktemp -d)
server=
cleanup()
{
    [ -z "$server" ] || kill "$server" 2>/dev/null || :
    rm -rf "$temp"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
cd "$temp"

# --- The archives, and the server that hands them out ------------------------------------------

make_archive()      # NAME SIZE-OF-TEST-BATCH
{
    mkdir cifar-10-batches-bin
    for batch in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5; do
        dd if=/dev/null of=cifar-10-batches-bin/$batch.bin bs=1 seek=30730000 2>/dev/null
    done
    dd if=/dev/null of=cifar-10-batches-bin/test_batch.bin bs=1 seek="$2" 2>/dev/null
    head -c 100000 /dev/urandom >cifar-10-batches-bin/readme.html     # something to interrupt
    tar -cf - cifar-10-batches-bin | gzip -1 >"$1"
    rm -r cifar-10-batches-bin
}

sums()              # FILE - the checksums that get-cifar10.sh is to expect from now on
{
    CAE_CIFAR10_MD5=$(md5sum <"$1" | cut -d ' ' -f 1)
    CAE_CIFAR10_SHA256=$(sha256sum <"$1" | cut -d ' ' -f 1)
    export CAE_CIFAR10_MD5 CAE_CIFAR10_SHA256
}

mkdir www
make_archive www/archive 30730000
make_archive www/short 1000
size=$(wc -c <www/archive)
half=$((size / 2))

# The first part of the path says how it serves the file: well, cut off half way unless continued,
# without ranges, or something else altogether. Requests go to the file `log`.
cat >server.py <<'END'
import http.server, re, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        manner, name = self.path.strip('/').split('/')
        ranged = re.match(r'bytes=(\d+)-', self.headers.get('Range', ''))
        first = int(ranged[1]) if ranged and manner != 'rangeless' else 0
        with open('log', 'a') as log:
            log.write('%s from %d\n' % (self.path, first))
        if manner == 'absent':
            return self.send_error(404)
        data = b'Please log in. ' * 20000 if manner == 'wrong' else open('www/' + name, 'rb').read()
        if first >= len(data):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        if first:
            self.send_header('Content-Range', 'bytes %d-%d/%d' % (first, len(data) - 1, len(data)))
        self.send_header('Content-Length', str(len(data) - first))
        self.end_headers()
        self.wfile.write(data[first:len(data) // 2 if manner == 'cut' and not first else None])

    def log_message(self, *args):
        pass

server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, file=open('port', 'w'), flush=True)
server.serve_forever()
END
python3 server.py &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -s port ] && break
    sleep 0.5
done
host=http://127.0.0.1:$(cat port)

# --- Helpers -----------------------------------------------------------------------------------

number=0
check()             # WHAT COMMAND... - one test, passed if the command succeeds
{
    what=$1
    shift
    number=$((number + 1))
    if "$@"; then
        echo "ok $number - $what"
    else
        echo "not ok $number - $what"
        sed 's/^/# /' output
    fi
}

get()               # EXIT-CODE ARGUMENT... - runs the script, leaves what it said in `output`
{
    expected=$1
    shift
    : >log
    code=0
    sh "$top/examples/get-cifar10.sh" "$@" >output 2>&1 || code=$?
    [ "$code" = "$expected" ]
}

said()
{
    grep -q -- "$1" output
}

asked()             # the requests, one per line, were these
{
    printf '%s\n' "$@" | cmp -s - log
}

holds()             # DIR NAME... - holds exactly these
{
    dir=$1
    shift
    [ "$(ls -A "$dir")" = "$(printf '%s\n' "$@")" ]
}

whole()             # DIR - has the unpacked data set, and nothing else
{
    holds "$1" cifar-10-batches-bin && [ "$(cat "$1"/cifar-10-batches-bin/*.bin | wc -c)" -eq 184380000 ]
}

from()              # MANNER/NAME... - the mirrors from now on
{
    CAE_CIFAR10_URL=
    for where; do
        CAE_CIFAR10_URL="$CAE_CIFAR10_URL $host/$where"
    done
    export CAE_CIFAR10_URL
}

# --- Tests -------------------------------------------------------------------------------------

sums www/archive

from well/archive
check 'a good mirror' get 0 one
check '... gives the whole data set and leaves nothing else' whole one
check '... in one request' asked '/well/archive from 0'

check 'a complete directory' get 0 one
check '... is left alone' said 'already in one/cifar-10-batches-bin'
check '... without asking anybody' test ! -s log
check 'so is the folder of the files itself' get 0 one/cifar-10-batches-bin
rm -r one

from cut/archive
check 'an interrupted download fails' get 1 two
check '... and keeps what came' holds two cifar-10-binary.tar.gz.part
check '... and says so' said 'run this again to continue'
check 'the next run' get 0 two
check '... continues it' asked "/cut/archive from $half"
check '... and completes the data set' whole two
rm -r two

from absent/archive wrong/archive well/archive
check 'missing and wrong archives are passed over' get 0 three
check '... with a word about it' said 'wrong checksum'
check '... until one is right' whole three
rm -r three

from wrong/archive
check 'nothing but a wrong archive fails' get 1 four
check '... and leaves nothing' holds four

head -c 5000 /dev/urandom >four/cifar-10-binary.tar.gz.part
from well/archive
check 'what was begun with something else' get 0 four
check '... is fetched anew' asked '/well/archive from 5000' '/well/archive from 0'
rm -r four

mkdir five
head -c 5000 www/archive >five/cifar-10-binary.tar.gz.part
from rangeless/archive
check 'a mirror that cannot continue starts again' get 0 five
rm -r five

mkdir six six/cifar-10-batches-bin
echo mine >six/cifar-10-batches-bin/data_batch_1.bin
check 'an incomplete directory is refused' get 1 six
check '... for a reason' said 'data_batch_1.bin has 5 bytes instead of 30730000'
check '... and left as it is' grep -q mine six/cifar-10-batches-bin/data_batch_1.bin

sums www/short
from well/short
check 'an archive with a short file fails' get 1 seven
check '... and leaves nothing' holds seven
sums www/archive

CAE_CIFAR10_URL=http://127.0.0.1:1/archive
check 'without a network it fails' get 1 seven
check '... and names the way out' said CAE_CIFAR10_URL

mkdir tools
for tool in sh mkdir md5sum sha256sum cut wc rm tar gzip mktemp mv; do
    ln -s "$(command -v $tool)" tools
done
with_few_tools()
{
    (export PATH="$temp/tools" && "$@")
}
check 'without curl and wget it fails' with_few_tools get 1 seven
check '... and says what to install' said 'install curl or wget'

if command -v wget >/dev/null; then
    ln -s "$(command -v wget)" tools
    from well/archive
    mkdir eight
    head -c "$half" www/archive >eight/cifar-10-binary.tar.gz.part
    check 'wget does as well as curl' with_few_tools get 0 eight
    check '... and continues, too' asked "/well/archive from $half"
    check '... to the whole data set' whole eight
fi

check 'help is not an error' get 0 --help
check '... and is about this script' said 'usage: sh get-cifar10.sh'
check 'an unknown option is' get 2 --force
check 'and so are two directories' get 2 one two
echo "1..$number"
