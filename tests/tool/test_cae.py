#!/usr/bin/env python3
"""test_cae.py CAE HELPER - the command line tool as its users meet it.

What it writes is compared, bit for bit, with what HELPER (helper.c) gets from the library by its C
interface and numpy puts together; what it refuses, it refuses with an exit code, in words, and without
touching a file. Pictures are made by numpy and Pillow; without these only the command line itself is
tested. Prints TAP; what cannot run here is skipped with a reason."""
import io
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

try:
    import numpy as np
    from PIL import Image
except ImportError:
    # the distribution's Python may have them where another one is first in PATH
    if sys.executable != '/usr/bin/python3' and os.path.exists('/usr/bin/python3') and \
       'CAE_TEST_PYTHON' not in os.environ:
        os.environ['CAE_TEST_PYTHON'] = 'asked'
        os.execv('/usr/bin/python3', ['/usr/bin/python3'] + sys.argv)
    np = None

COMMANDS = ('denoise', 'train', 'eval', 'info', 'encode', 'decode', 'calibrate', 'score')
CHECKS = []


class Skip(Exception):
    """The check cannot run here."""


def check(text, pictures=True):
    def add(function):
        CHECKS.append((text, function, pictures))
        return function
    return add


# --- Running ----------------------------------------------------------------------------------------

def call(*arguments, stdin=b'', **others):
    """Exit code, stdout and stderr."""
    done = subprocess.run([CAE, *map(str, arguments)], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=200, **others)
    return done.returncode, done.stdout, done.stderr.decode('utf-8', 'replace')


def cae(*arguments, code=0, says='', **others):
    """Standard output; the exit code and a part of stderr are as expected."""
    found, out, err = call(*arguments, **others)
    assert found == code, 'cae %s: exit code %d, expected %d\n%s' % (
        ' '.join(map(str, arguments)), found, code, err)
    for part in [says] if isinstance(says, str) else says:
        assert part in err, 'cae %s: expected on stderr: %s\nfound: %s' % (
            ' '.join(map(str, arguments)), part, err)
    if code == 0 and not says:
        assert 'warning' not in err.lower() and 'Sanitizer' not in err, err
    return out


def refuses(says, *arguments, code=1, **others):
    """A failure leaves every file in this directory as it was, and no new one."""
    before = snapshot()
    out = cae(*arguments, code=code, says=says, **others)
    assert snapshot() == before, 'files have changed: %s' % (set(snapshot()) ^ set(before))
    assert out == b'', 'on stdout: %r' % out[:80]


def snapshot():
    found = {}
    for folder, _, names in os.walk('.'):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, 'rb') as file:
                    found[path] = (file.read(), os.stat(path).st_mtime_ns, os.stat(path).st_ino)
    return found


def helper(*arguments, stdin=b''):
    done = subprocess.run([HELPER, *map(str, arguments)], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=200)
    assert done.returncode == 0, 'helper %s: %s' % (arguments, done.stderr.decode())
    return done.stdout


def report(*arguments, code=0, **others):
    return json.loads(cae(*arguments, '--json', code=code, **others))


# --- Pictures ---------------------------------------------------------------------------------------

def picture(height, width, channels=3, dtype='uint8', seed=1):
    """Something smooth with noise, all values in use."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.5 + 0.4 * np.sin(x / (3 + c) + y / (7 + c)) for c in range(channels)]
    values = np.stack(planes, -1) + random.normal(0, 0.05, (height, width, channels))
    most = {'uint8': 255, 'uint16': 65535}.get(dtype, 1)
    values = np.clip(values, 0, 1) * most
    if dtype == 'float32':
        return (2 * values - 1).astype('<f4')
    return np.round(values).astype(dtype)


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png_bytes(array, size=None):
    """A PNG of 8 or 16 bits, 1 to 4 channels; `size` is what it says of its size."""
    height, width, channels = array.shape
    rows = array.astype('>u2' if array.dtype == np.uint16 else 'u1').reshape(height, -1)
    lines = b''.join(b'\0' + row.tobytes() for row in rows)
    said = size or (width, height)
    header = struct.pack('>IIBBBBB', said[0], said[1], 8 * array.dtype.itemsize,
                         {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(lines, 1)) + \
        chunk(b'IEND', b'')


def read_png(data):
    """A PNG of 8 or 16 bits as an array [height][width][channels]; no interlacing."""
    assert data[:8] == b'\x89PNG\r\n\x1a\n', data[:8]
    at, body, header = 8, b'', None
    while at < len(data):
        length, kind = struct.unpack('>I4s', data[at:at + 8])
        if kind == b'IHDR':
            header = struct.unpack('>IIBBBBB', data[at + 8:at + 8 + length])
        if kind == b'IDAT':
            body += data[at + 8:at + 8 + length]
        at += length + 12
    width, height, bits, colour = header[:4]
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[colour]
    pixel, stride = channels * bits // 8, width * channels * bits // 8
    raw, before, rows = zlib.decompress(body), bytearray(stride), []
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a = line[i - pixel] if i >= pixel else 0
            b, c = before[i], before[i - pixel] if i >= pixel else 0
            p = a + b - c
            guess = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[i] = line[i] + (0, a, b, (a + b) // 2, guess)[kind] & 255
        rows.append(bytes(line))
        before = line
    return np.frombuffer(b''.join(rows), '>u2' if bits == 16 else 'u1').reshape(
        height, width, channels).astype('u2' if bits == 16 else 'u1')


def save(path, array):
    if path.endswith('.npy'):
        np.save(path, array)
    elif path.endswith('.png'):
        put(path, png_bytes(array))
    else:
        Image.fromarray(array.squeeze()).save(path, quality=92)
    return path


def load(path):
    if path.endswith('.npy'):
        array = np.load(path)
        return array.reshape(array.shape + (1,)) if array.ndim == 2 else array
    with open(path, 'rb') as file:
        return read_png(file.read())


def put(path, data):
    with open(path, 'wb') as file:
        file.write(data)
    return path


def get(path):
    with open(path, 'rb') as file:
        return file.read()


def same(found, expected, what=''):
    assert found.shape == expected.shape, '%s: %s, expected %s' % (what, found.shape, expected.shape)
    assert found.dtype == expected.dtype, '%s: %s, expected %s' % (what, found.dtype, expected.dtype)
    if not np.array_equal(found, expected):
        wrong = np.argwhere(found != expected)
        raise AssertionError('%s: %d of %d differ, first at %s: %s, expected %s' % (
            what, len(wrong), found.size, wrong[0], found[tuple(wrong[0])], expected[tuple(wrong[0])]))


# --- The library, by its C interface ----------------------------------------------------------------

def model(kind):
    path = kind + '.safetensors'
    if not os.path.exists(path):
        helper('make', kind, path)
    return path


def planes(path):
    """[channels][height][width], float32."""
    array = load(path) if not path.endswith('.jpg') else np.atleast_3d(np.asarray(Image.open(path)))
    height, width, channels = array.shape
    return np.frombuffer(helper('planes', path), '<f4').reshape(channels, height, width)


def forward(kind, x, count=1, part='forward'):
    """x [count * channels][height][width]; gives [count * channels][height][width]."""
    x = np.ascontiguousarray(x, '<f4')
    y = np.frombuffer(helper(part, model(kind), count, x.shape[1], x.shape[2], stdin=x.tobytes()), '<f4')
    return y


def as_picture(y, dtype, name='expected.npy'):
    kind = {'uint8': 'u8', 'uint16': 'u16', 'float32': 'f32'}[np.dtype(dtype).name]
    helper('picture', kind, *y.shape, name, stdin=np.ascontiguousarray(y, '<f4').tobytes())
    return load(name)


def denoised(kind, path, pad=None, count=1):
    """What the model makes of a picture, after mirroring at its edges."""
    x = planes(path)
    channels, height, width = x.shape
    shown = np.pad(x, [(0, 0)] + list(pad), 'reflect') if pad else x
    y = forward(kind, shown, count).reshape(channels, -1)
    return y, (channels, height, width)


# --- The command line -------------------------------------------------------------------------------

@check('no command, an unknown one', pictures=False)
def _():
    refuses(['expected a command', "Try 'cae --help'"], code=2)
    refuses('denois: no such command, expected denoise, train, eval, info', 'denois', code=2)
    refuses("--bogus: no such command", '--bogus', code=2)


@check('--help and --version of all commands', pictures=False)
def _():
    text = cae('--help').decode()
    assert all('\n  %s' % name in text for name in COMMANDS), text
    assert cae('--version').startswith(b'cae, libcae ')
    for name in COMMANDS:
        text = cae(name, '--help').decode()
        for part in ('NAME\n  cae %s - ' % name, 'SYNOPSIS', 'OPTIONS', 'DESCRIPTION', 'EXIT STATUS',
                     'EXAMPLES', '--json', '--help'):
            assert part in text, '%s --help has no %s' % (name, part)
        assert max(map(len, text.splitlines())) <= 100, name


@check('options that are none, that lack their value, that have a wrong one', pictures=False)
def _():
    for name in COMMANDS:
        refuses(['cae %s: --bogus: no such option' % name, "Try 'cae %s --help'" % name], name, '--bogus',
                code=2)
        refuses('-x: no such option', name, '-x', code=2)
        refuses('--json: expected no value', name, '--json=yes', code=2)
    refuses('--model: expected a model file, found nothing', 'denoise', 'a', 'b', '--model', code=2)
    refuses("--model: expected a model file, found '--json'", 'denoise', 'a', 'b', '--model', '--json',
            code=2)
    refuses("--model: expected a model file, found ''", 'eval', '--model', '', code=2)
    refuses("--format: expected npy, png or jpg, found 'gif'", 'denoise', '-', '-', '--format', 'gif',
            code=2)
    for bits in ('7', '12', '17', '0', '-8'):
        refuses('--bits: expected 8 or 16, found', 'denoise', 'a', 'b', '--bits', bits, code=2)
    refuses('--scale: expected signed or unit', 'eval', '--scale', 'x', code=2)
    refuses('--threads: expected a whole number from 0 to 1024', 'eval', '--threads', '1025', code=2)
    refuses('--sigma: expected a number from 0 to 1000', 'eval', '--sigma', '-0.1', code=2)
    refuses('--sigma: expected a number greater than 0', 'train', '--sigma', '0', code=2)
    refuses('--quantile: expected a number greater than 0, at most 1', 'calibrate', '--quantile', '1.5',
            code=2)
    refuses('--preset: expected reference, tuned', 'train', '--preset', 'best', code=2)
    for size in ('0', '3x', 'x3', '3x0', '3x4x5', '-1', '99999999', '1e3'):
        refuses("--crop: expected HEIGHTxWIDTH or one number" if size != '-1' else '--crop: expected',
                'train', '--crop', size, code=2)
        refuses('--size: expected', 'info', 'm', '--size', size, code=2)
    refuses('expected --task denoise', 'train', '--task', 'reconstruct', '--sigma', '0.1', code=2)
    refuses('--sigma-max: expected not less', 'train', '--sigma', '0.2', '--sigma-max', '0.1', code=2)


@check('too few files, too many', pictures=False)
def _():
    refuses('expected IN and OUT, or --out DIR', 'denoise', code=2)
    refuses('expected IN and OUT', 'denoise', 'a', '--model', 'm', code=2)
    refuses('found 3 arguments', 'denoise', 'a', 'b', 'c', '--model', 'm', code=2)
    refuses('expected one model file, found 0', 'info', code=2)
    refuses('expected options only, found 1 argument', 'train', 'stray', code=2)
    refuses('expected IN and OUT.npy', 'encode', 'a', code=2)
    refuses('expected IN.npy and OUT', 'decode', 'a', code=2)
    refuses('expected one picture or more', 'score', code=2)
    for arguments in (['denoise', 'a.png', 'b.png'], ['eval'], ['encode', 'a.png', 'z.npy'],
                      ['decode', 'z.npy', 'b.png'], ['calibrate'], ['score', 'a.png']):
        refuses('--model: expected a model file, found nothing', *arguments, code=2)
    refuses('--data: expected clean images', 'calibrate', '--model', 'm', code=2)
    refuses('--out: expected a file', 'calibrate', '--model', 'm', '--data', 'd', code=2)


@check('names of results that say no format', pictures=False)
def _():
    for name in ('b', 'b.gif', 'b.png.txt', 'png', 'dir.png/b'):
        refuses('expected a name that ends in .png, .jpg or .npy', 'denoise', 'a.png', name, '--model', 'm',
                code=2)
    refuses('expected a name that ends in .npy, or -', 'encode', 'a.png', 'z.png', '--model', 'm', code=2)


@check('a model that is not there, that is none', pictures=False)
def _():
    put('text.safetensors', b'this is no model\n')
    put('empty.safetensors', b'')
    for arguments in (['denoise', 'a.png', 'b.png', '--model'], ['eval', '--model'], ['info'],
                      ['encode', 'a.png', 'z.npy', '--model'], ['decode', 'z.npy', 'b.png', '--model'],
                      ['score', 'a.png', '--model']):
        refuses('nowhere: expected a model file, found none; `cae train', *arguments, 'nowhere')
        refuses('cae %s: text.safetensors: ' % arguments[0], *arguments, 'text.safetensors')
        refuses('empty.safetensors: ', *arguments, 'empty.safetensors')
        refuses('.: ', *arguments, '.')


# --- cae info ---------------------------------------------------------------------------------------

@check('info of the reference network', pictures=False)
def _():
    facts = report('info', model('reference'))
    assert facts['parameters'] == 1611 and facts['encoder_layers'] == 2 and not facts['residual']
    assert facts['receptive_field'] == [9, 9] and facts['latent'] == [8, 28, 28]
    assert facts['output'] == [3, 32, 32] and facts['input'] == [3, 32, 32]
    assert facts['flop_per_pixel'] == 2 * 9 * (3 * 8 + 8 * 8 + 8 * 8 + 8 * 3)
    assert [layer['parameters'] for layer in facts['layers']] == [224, 584, 584, 219]
    assert facts['layers'][2] == {
        'type': 'conv_transpose', 'in': 8, 'out': 8, 'kernel': [3, 3], 'stride': [1, 1], 'padding': [0, 0],
        'dilation': [1, 1], 'output_padding': [0, 0], 'bias': True, 'activation': 'relu', 'slope': None,
        'parameters': 584}
    assert facts['threshold'] is None and facts['training'] is None and facts['checkpoint'] is None
    text = cae('info', model('reference')).decode()
    for part in ('conv transpose', '8 -> 3', '1611', '9x9 pixels', '3168 FLOP', '8 x 28x28', '| latent',
                 'none: cae calibrate finds one'):
        assert part in text, '%s is not in\n%s' % (part, text)


@check('nothing that others wrote gives orders to a terminal', pictures=False)
def _():
    notes = ('{"key\\u001b[31m": "\\u001b]0;title\\u0007", "c1": "\\u009b31m", "\\u00e9": "\\u00e9\\u007f"}',
             'plain \x1b]0;title\x07 and \x9b31m \u00e9')
    for note in notes:
        helper('note', model('reference'), note, 'noted.safetensors')
        text = cae('info', 'noted.safetensors').decode()
        assert not [c for c in text if c != '\n' and (c < ' ' or '\x7f' <= c < '\xa0')], repr(text[-200:])
        assert '\u00e9' in text and '?]0;title?' in text, repr(text[-200:])
        report('info', 'noted.safetensors')
    data = get(model('reference'))
    size = struct.unpack('<Q', data[:8])[0]
    header = json.loads(data[8:8 + size])
    header['__metadata__']['libcae.version'] = '\u00e9' * 100 # cut in the middle of one
    header = json.dumps(header, ensure_ascii=False).encode()
    put('version.safetensors', struct.pack('<Q', len(header)) + header + data[8 + size:])
    assert report('info', 'version.safetensors')['library_version']
    os.mkdir('pictures')
    put('pictures/a\x1b[31m\x7f.png', b'no picture')
    err = call('eval', '--model', model('reference'), '--data', 'pictures')[2]
    assert 'left out a?[31m?.png' in err and not [c for c in err if c < ' ' and c != '\n'], repr(err)
    err = call('info', 'no\x1b[31m.safetensors')[2]
    assert 'no?[31m.safetensors: ' in err, repr(err)


@check('info of layers with strides, of sizes that do not fit', pictures=False)
def _():
    facts = report('info', model('strided'), '--size', '32x48')
    assert facts['latent'] == [4, 8, 12] and facts['output'] == [3, 32, 48]
    # of the pixels: a quarter, a sixteenth; transposed layers count the smaller side
    assert facts['flop_per_pixel'] == 2 * 9 * (12 / 4 + 16 / 16 + 16 / 16 + 12 / 4)
    assert report('info', model('reference'), '--size', '3')['latent'] is None
    assert report('info', model('residual'))['residual'] is True
    assert 'y = x + f(x)' in cae('info', model('residual')).decode()


@check('info of layers as large as they can be', pictures=False)
def _():
    for kind in ('steep', 'rising'):
        facts = report('info', model(kind))
        assert facts['latent'] is None and len(facts['layers']) == 5, facts
        assert cae('info', model(kind))


@check('paths that are not UTF-8', pictures=False)
def _():
    name = b'\xff.safetensors'
    shutil.copy(model('reference'), name)
    done = subprocess.run([CAE, 'info', name, '--json'], stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout)['model'] == '?.safetensors'
    done = subprocess.run([CAE, 'train', '--limit', '8', '--epochs', '1', '--json', '--out', name],
                          stdout=subprocess.PIPE, check=True)
    assert "'?.safetensors' --epochs 1 --limit 8" in json.loads(done.stdout)['command'], done.stdout


@check('the receptive field is what a pixel sees')
def _():
    for kind in ('reference', 'one', 'valid', 'strided', 'even', 'larger', 'residual'):
        channels = report('info', model(kind))['input'][0]
        facts = report('info', model(kind), '--size', '64')
        x = np.random.default_rng(2).normal(0, 1, (channels, 64, 64)).astype('<f4')
        y = forward(kind, x).reshape(facts['output'])
        seen = np.zeros((facts['output'][1], 64), bool)
        for row in range(64):
            for step in (0.5, -0.5, 3, -3): # a ReLU may not let one of them through
                other = x.copy()
                other[:, row] += step
                changed = forward(kind, other).reshape(facts['output']) != y
                seen[:, row] |= changed.any(axis=(0, 2))
        middle = [np.flatnonzero(row) for row in seen[24:40]]
        most = max(row[-1] - row[0] + 1 for row in middle if len(row))
        assert [most, most] == facts['receptive_field'], '%s: %d, said %s' % (
            kind, most, facts['receptive_field'])


@check('info of a checkpoint, of a note', pictures=False)
def _():
    helper('checkpoint', 'checkpoint.safetensors')
    state = report('info', 'checkpoint.safetensors')['checkpoint']
    assert state['step'] == 3 and state['optimizer'] == 'adam' and state['images'] == 10, state
    text = cae('info', 'checkpoint.safetensors').decode()
    assert 'checkpoint\n' in text and 'optimizer' in text, text
    for note, shown in (('{"psnr_db": 27.5, "dataset": "mine"}', '27.5'), ('just text', 'just text'),
                        ('[1, 2]', '[1, 2]'), ('{"a": {"b": [true]}}', 'true'), ('\u00e4\n\u20ac', '\u20ac')):
        helper('note', model('reference'), note, 'noted.safetensors')
        facts = report('info', 'noted.safetensors')
        assert facts['note'] == note
        assert facts['training'] == (json.loads(note) if note[0] == '{' else None)
        assert shown in cae('info', 'noted.safetensors').decode(), note
    for note, shown in (('a\x1b]0;b\x07c\u009bd', 'a?]0;b?c??d'), ('{"k\\u001b": "\\u001b[2J"}', '?[2J')):
        helper('note', model('reference'), note, 'noted.safetensors') # nothing that a terminal would obey
        shows = cae('info', 'noted.safetensors').decode()
        assert shown in shows and not any(c in shows for c in '\x1b\x07\u009b'), note


# --- cae denoise: bit for bit -----------------------------------------------------------------------

@check('bytes, 16 bits, floats: the library, bit for bit')
def _():
    for dtype in ('uint8', 'uint16', 'float32'):
        for end in ('.png', '.npy'):
            if dtype == 'float32' and end == '.png':
                continue
            path = save('in-' + dtype + end, picture(33, 41, 3, dtype))
            for kind in ('reference', 'residual'):
                if kind == 'residual':
                    path = save('in-' + dtype + end, picture(34, 42, 3, dtype))
                y, shape = denoised(kind, path)
                cae('denoise', path, 'out' + end, '--model', model(kind))
                same(load('out' + end), as_picture(y.reshape(shape), dtype), '%s %s' % (kind, path))


@check('pictures of any size, down to one pixel')
def _():
    for height, width in ((5, 5), (1, 1), (1, 7), (2, 3), (4, 9), (17, 1), (33, 41)):
        path = save('odd.png', picture(height, width))
        # the reference network gives back any size that its kernels fit, 5x5 at least
        pad = [(0, max(0, 5 - height)), (0, max(0, 5 - width))]
        y, shape = denoised('reference', path, pad)
        y = y.reshape(3, height + pad[0][1], width + pad[1][1])[:, :height, :width]
        cae('denoise', path, 'out.png', '--model', model('reference'))
        same(load('out.png'), as_picture(y, 'uint8'), '%dx%d' % (height, width))


@check('models without padding: mirrored at the edges, as much as is lost')
def _():
    for height, width in ((33, 41), (1, 1), (2, 9), (3, 3)):
        path = save('odd.png', picture(height, width))
        y, shape = denoised('valid', path, [(3, 3), (3, 3)])
        cae('denoise', path, 'out.png', '--model', model('valid'))
        same(load('out.png'), as_picture(y.reshape(shape), 'uint8'), '%dx%d' % (height, width))


@check('models with strides: mirrored to what they give back')
def _():
    for kind, unit in (('strided', 4), ('even', 2), ('residual', 2)):
        for height, width in ((32, 40), (33, 41), (35, 38), (1, 1), (2, 3), (5, 4)):
            path = save('odd.png', picture(height, width))
            pad = [(0, -height % unit), (0, -width % unit)]
            y, _ = denoised(kind, path, pad)
            y = y.reshape(3, height + pad[0][1], width + pad[1][1])[:, :height, :width]
            said = report('denoise', path, 'out.png', '--model', model(kind))['files'][0]
            same(load('out.png'), as_picture(y, 'uint8'), '%s %dx%d' % (kind, height, width))
            assert said['shown_to_model'] == [height + pad[0][1], width + pad[1][1]], said


@check('grey by a model of three channels, colour by a model of one')
def _():
    for dtype in ('uint8', 'uint16'):
        path = save('grey.png', picture(20, 31, 1, dtype))
        x = np.repeat(planes(path), 3, axis=0)
        y = forward('reference', x).reshape(3, 20, 31).astype('f8').mean(axis=0, keepdims=True)
        cae('denoise', path, 'out.png', '--model', model('reference'))
        same(load('out.png'), as_picture(y.astype('f4'), dtype), 'grey')
        path = save('colour.png', picture(20, 31, 3, dtype))
        y = forward('one', planes(path), 3).reshape(3, 20, 31)
        cae('denoise', path, 'out.png', '--model', model('one'))
        same(load('out.png'), as_picture(y, dtype), 'colour')
        path = save('grey.png', picture(20, 31, 1, dtype))
        cae('denoise', path, 'out.png', '--model', model('one'))
        same(load('out.png'), as_picture(forward('one', planes(path)).reshape(1, 20, 31), dtype), 'one')
    path = save('grey.png', picture(3, 4, 1)) # repeated and mirrored
    x = np.repeat(np.pad(planes(path), [(0, 0), (3, 3), (3, 3)], 'reflect'), 3, axis=0)
    y = forward('valid', x).reshape(3, 3, 4).astype('f8').mean(axis=0, keepdims=True)
    cae('denoise', path, 'out.png', '--model', model('valid'))
    same(load('out.png'), as_picture(y.astype('f4'), 'uint8'), 'grey, mirrored')


@check('alpha goes through as it is')
def _():
    for dtype in ('uint8', 'uint16', 'float32'):
        end = '.npy' if dtype == 'float32' else '.png'
        for channels in (2, 4):
            array = picture(21, 30, channels, dtype)
            path, colours = save('alpha' + end, array), save('colours' + end, array[..., :-1])
            cae('denoise', path, 'out' + end, '--model', model('reference'))
            cae('denoise', colours, 'alone' + end, '--model', model('reference'))
            same(load('out' + end)[..., -1], array[..., -1], 'alpha')
            same(load('out' + end)[..., :-1], load('alone' + end), 'colours')
    array = picture(12, 13, 4)
    path = save('four.png', array) # a model of four channels reads alpha as one of them
    cae('denoise', path, 'out.png', '--model', model('four'))
    same(load('out.png'), as_picture(forward('four', planes(path)).reshape(4, 12, 13), 'uint8'), 'four')
    path = save('two.npy', picture(12, 13, 2))
    cae('denoise', path, 'out.npy', '--model', model('two'))
    same(load('out.npy'), as_picture(forward('two', planes(path)).reshape(2, 12, 13), 'uint8'), 'two')


@check('any number of channels as .npy')
def _():
    path = save('five.npy', picture(12, 13, 5, 'float32'))
    cae('denoise', path, 'out.npy', '--model', model('five'))
    same(load('out.npy'), forward('five', planes(path)).reshape(5, 12, 13).transpose(1, 2, 0), 'five')
    np.save('flat.npy', picture(12, 13, 1)[..., 0])
    cae('denoise', 'flat.npy', 'out.npy', '--model', model('one'))
    same(load('out.npy'), as_picture(forward('one', planes('flat.npy')).reshape(1, 12, 13), 'uint8'), '2-D')


@check('large pictures, any number of threads')
def _():
    path = save('large.png', picture(300, 401))
    y, shape = denoised('reference', path)
    expected = as_picture(y.reshape(shape), 'uint8')
    for threads in (0, 1, 2, 3):
        cae('denoise', path, 'out.png', '--model', model('reference'), '--threads', threads)
        same(load('out.png'), expected, '%d threads' % threads)


@check('JPEG in and out, conversions that are asked for and those that are refused')
def _():
    path = save('photo.jpg', picture(40, 52))
    y, shape = denoised('reference', path)
    cae('denoise', path, 'out.png', '--model', model('reference'))
    same(load('out.png'), as_picture(y.reshape(shape), 'uint8'), 'JPEG')
    cae('denoise', path, 'out.jpg', '--model', model('reference'))
    found = np.asarray(Image.open('out.jpg')).astype('i4')
    assert found.shape == (40, 52, 3) and np.abs(found - load('out.png')).mean() < 4
    deep = save('deep.png', picture(20, 20, 3, 'uint16'))
    refuses(['expected 8 bits', '--bits 8'], 'denoise', deep, 'new.jpg', '--model', model('reference'))
    cae('denoise', deep, 'out.jpg', '--model', model('reference'), '--bits', '8')
    cae('denoise', path, 'out.png', '--model', model('reference'), '--bits', '16')
    same(load('out.png'), as_picture(y.reshape(shape), 'uint16'), '8 to 16 bits')
    alpha = save('alpha.png', picture(20, 20, 4))
    refuses(['expected 1 or 3 channels', 'alpha'], 'denoise', alpha, 'new.jpg', '--model', model('reference'))
    floats = save('floats.npy', picture(20, 20, 3, 'float32'))
    y, shape = denoised('reference', floats)
    cae('denoise', floats, 'out.png', '--model', model('reference'))
    same(load('out.png'), as_picture(y.reshape(shape), 'uint8'), 'floats as bytes')
    five = save('five.npy', picture(20, 20, 5))
    refuses(['expected 1 to 4 channels', '.npy'], 'denoise', five, 'new.png', '--model', model('five'))


@check('--scale unit')
def _():
    path = save('in.png', picture(20, 20))
    x = ((planes(path).astype('f8') + 1) / 2).astype('<f4') # to within a rounding
    y = (2 * forward('reference', x).astype('f8') - 1).astype('f4').reshape(3, 20, 20)
    cae('denoise', path, 'out.png', '--model', model('reference'), '--scale', 'unit')
    difference = load('out.png').astype('i4') - as_picture(y, 'uint8')
    assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 0.01


# --- Standard input and output ----------------------------------------------------------------------

@check('standard input and output, in pipes')
def _():
    path = save('a.png', picture(33, 41))
    cae('denoise', path, 'b.png', '--model', model('reference'))
    out = cae('denoise', '-', '-', '--model', model('reference'), stdin=get(path))
    assert out == get('b.png'), 'another file than b.png'
    for name in ('npy', 'png', 'jpg'):
        cae('denoise', path, 'c.' + name, '--model', model('reference'))
        assert cae('denoise', path, '-', '--model', model('reference'), '--format', name) == get('c.' + name)
    floats = save('f.npy', picture(20, 20, 3, 'float32'))
    assert cae('denoise', '-', '-', '--model', model('reference'), stdin=get(floats))[:6] == b'\x93NUMPY'
    script = 'cat a.png | "$0" denoise - - --model m | "$0" encode - z.npy --model m'
    shutil.copy(model('reference'), 'm')
    subprocess.run(['sh', '-c', script, CAE], check=True)
    cae('encode', 'b.png', 'expected-z.npy', '--model', 'm')
    same(np.load('z.npy'), np.load('expected-z.npy'), 'through a pipe')
    out = cae('encode', '-', '-', '--model', 'm', stdin=get('b.png'))
    assert out == get('z.npy')
    cae('decode', 'z.npy', 'd.png', '--model', 'm')
    assert cae('decode', '-', '-', '--model', 'm', stdin=out) == get('d.png')


@check('with a picture on standard output, reports go to stderr')
def _():
    path = save('a.png', picture(33, 41))
    code, out, err = call('denoise', path, '-', '--model', model('reference'), '--json')
    assert code == 0 and out[:4] == b'\x89PNG' and json.loads(err)['files'][0]['output'] == '-'


@check('what --json says of a picture')
def _():
    path = save('a.png', picture(33, 41, 4, 'uint16'))
    said = report('denoise', path, 'b.png', '--model', model('reference'), '--threads', '2')
    assert said['command'] == 'denoise' and said['threads'] == 2 and said['model'] == model('reference')
    one = said['files'][0]
    assert (one['height'], one['width'], one['channels'], one['alpha']) == (33, 41, 4, True), one
    assert one['numbers'] == '16 bits' and one['way'] == 'direct' and one['seconds'] > 0, one
    assert one['megapixels_per_second'] == said['peak_megapixels_per_second'] > 0


@check('a pipe that nobody reads, a full device, no standard output at all')
def _():
    path = save('a.png', picture(300, 400))
    for command in ('denoise a.png - --model reference.safetensors', 'info reference.safetensors',
                    '--help', 'encode a.png - --model reference.safetensors'):
        model('reference')
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([CAE, *command.split()], stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        assert done.returncode == 1 and done.stderr == b'', (command, done.returncode, done.stderr)
        if os.path.exists('/dev/full'):
            with open('/dev/full', 'w') as full:
                done = subprocess.run([CAE, *command.split()], stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 1 and b'cannot write to standard output: No space' in done.stderr, done
        done = subprocess.run(['sh', '-c', 'exec "$0" %s >&-' % command, CAE], stderr=subprocess.PIPE)
        assert done.returncode == 1 and b'cannot write to standard output' in done.stderr, (command, done)
    done = subprocess.run(['sh', '-c', 'exec "$0" denoise - b.png --model reference.safetensors <&-', CAE],
                          stderr=subprocess.PIPE)
    assert done.returncode == 1 and b'standard input' in done.stderr, done
    assert not os.path.exists('b.png') and path


# --- Several files ----------------------------------------------------------------------------------

@check('several files into a directory')
def _():
    os.makedirs('photos/more', exist_ok=True), os.makedirs('clean', exist_ok=True)
    paths = [save('photos/%d.png' % i, picture(20 + i, 31, seed=i)) for i in range(3)]
    paths.append(save('photos/more/grey.npy', picture(20, 22, 1)))
    said = report('denoise', '--out', 'clean', *paths, '--model', model('reference'))
    assert [one['output'] for one in said['files']] == ['clean/0.png', 'clean/1.png', 'clean/2.png',
                                                        'clean/grey.npy']
    for path in paths:
        end = os.path.splitext(path)[1]
        cae('denoise', path, 'one' + end, '--model', model('reference'))
        assert get('one' + end) == get(os.path.join('clean', os.path.basename(path))), path
    assert cae('denoise', '--out', 'clean', *paths, '--model', model('reference')) == b''


@check('one that fails does not stop the others')
def _():
    os.makedirs('clean', exist_ok=True)
    paths = [save('1.png', picture(20, 31)), put('2.png', b'no picture'), save('3.png', picture(20, 31))]
    said = report('denoise', '--out', 'clean', *paths, '--model', model('reference'), code=1,
                  says='cae denoise: 2.png: ')
    assert [one['input'] for one in said['files']] == ['1.png', '3.png']
    assert sorted(os.listdir('clean')) == ['1.png', '3.png']


@check('names that would go into one file')
def _():
    os.makedirs('photos', exist_ok=True), os.makedirs('clean', exist_ok=True)
    a, b = save('photos/a.png', picture(9, 9)), save('a.png', picture(9, 9))
    refuses(['photos/a.png and a.png', 'names that differ'], 'denoise', '--out', 'clean', a, b, '--model',
            model('reference'), code=2)
    refuses('standard input', 'denoise', '--out', 'clean', '-', '--model', model('reference'), code=2)


# --- The input stays --------------------------------------------------------------------------------

@check('the output may not be the input, by any name')
def _():
    path = save('a.png', picture(20, 20))
    os.link('a.png', 'hard.png')
    os.symlink('a.png', 'soft.png')
    os.mkdir('folder')
    os.symlink('..', 'folder/up')
    os.symlink('soft.png', 'chain.png')
    helper('make', 'reference', 'm.safetensors')
    for out in ('a.png', './a.png', 'hard.png', 'soft.png', 'folder/up/a.png', 'chain.png'):
        refuses(['expected another file than the input a.png', '--force'], 'denoise', path, out, '--model',
                'm.safetensors')
        refuses('expected another file than the input', 'denoise', out, path, '--model', 'm.safetensors')
    refuses('expected another file', 'denoise', '--out', '.', path, '--model', 'm.safetensors')
    before = snapshot()
    with open('a.png', 'rb') as file:
        done = subprocess.run([CAE, 'denoise', '-', 'a.png', '--model', 'm.safetensors'], stdin=file,
                              stderr=subprocess.PIPE)
    assert done.returncode == 1 and b'expected another file' in done.stderr and snapshot() == before
    cae('denoise', path, 'b.png', '--model', 'm.safetensors')
    cae('denoise', path, 'soft.png', '--model', 'm.safetensors', '--force')
    assert os.path.islink('soft.png') and get('a.png') == get('b.png') != get('hard.png')


@check('what is read beside the input stays, with --force too')
def _():
    path = save('a.png', picture(20, 20))
    helper('make', 'reference', 'm.npy')  # a model by any name
    for verb, file in (('denoise', path), ('encode', path), ('decode', 'z.npy')):
        if verb == 'decode':
            cae('encode', path, file, '--model', 'm.npy')
        refuses('m.npy: expected another file than that of --model', verb, file, 'm.npy', '--model', 'm.npy',
                '--force')
    os.makedirs('photos/inner')
    for name in ('photos/a.png', 'photos/inner/b.PNG'):
        save(name, picture(40, 40))
    images('good.npy', 12, 24)
    os.symlink('photos', 'link')
    for verb, more in (('train', ()), ('calibrate', ('--model', 'm.npy', '--force'))):
        refuses('good.npy: expected another file than that of --data', verb, '--data', 'good.npy', '--out',
                './good.npy', *more)
        for out in ('photos/a.png', 'link/inner/b.PNG'):
            refuses(out + ': expected a name of its own, found one of the images in photos', verb, '--data',
                    'photos', '--crop', '24', '--out', out, *more)
    cae('calibrate', '--model', 'm.npy', '--data', 'photos', '--crop', '24', '--out', 'photos/m.safetensors')
    cae('calibrate', '--model', 'm.npy', '--data', 'photos', '--crop', '24', '--out', 'photos/m.safetensors')


@check('maps of two pictures do not share a name')
def _():
    for folder in ('one', 'two', 'maps'):
        os.mkdir(folder)
    a, b = save('one/a.png', picture(20, 20)), save('two/a.png', picture(20, 20, seed=2))
    refuses(['one/a.png and two/a.png', 'names that differ', 'maps'], 'score', a, b, '--model', model('reference'),
            '--map', 'maps', code=2)
    cae('score', a, b, '--model', model('reference'))


@check('the input is untouched whatever goes wrong')
def _():
    path = save('a.png', picture(64, 64))
    helper('make', 'five', 'five.safetensors'), helper('make', 'reference', 'm.safetensors')
    refuses('five.safetensors', 'denoise', path, path, '--force', '--model', 'five.safetensors')
    refuses('nowhere', 'denoise', path, path, '--force', '--model', 'nowhere')

    def limit(): # as a full disk, for any user
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
    refuses('a.png: ', 'denoise', path, path, '--force', '--model', 'm.safetensors', preexec_fn=limit)
    refuses('b.png: ', 'denoise', path, 'b.png', '--model', 'm.safetensors', preexec_fn=limit)


# --- Wrong pictures ---------------------------------------------------------------------------------

def all_ways(path, says):
    """Refused as a file and from standard input, in three commands."""
    model('reference'), model('calibrated') if os.path.exists('calibrated') else None
    refuses(['cae denoise: %s: ' % path, says], 'denoise', path, 'new.png', '--model', model('reference'))
    refuses(['cae denoise: standard input: ', says], 'denoise', '-', 'new.png', '--model',
            model('reference'), stdin=get(path))
    refuses(['cae encode: %s: ' % path, says], 'encode', path, 'new.npy', '--model', model('reference'))
    refuses(['cae score: %s: ' % path, says], 'score', path, '--model', model('reference'))


@check('files that are no pictures')
def _():
    put('empty.png', b'')
    refuses('empty.png: ', 'denoise', 'empty.png', 'new.png', '--model', model('reference'))
    refuses('standard input: expected a picture, found nothing', 'denoise', '-', 'new.png', '--model',
            model('reference'))
    all_ways(put('text.png', b'Dear Sir or Madam,\n' * 40), '')
    all_ways(put('signature.png', b'\x89PNG\r\n\x1a\n'), '')
    all_ways(put('gif.png', b'GIF89a' + bytes(100)), '')
    all_ways(put('random.jpg', np.random.default_rng(1).bytes(5000)), '')
    all_ways(put('zeros.npy', bytes(5000)), '')
    refuses('nowhere.png: ', 'denoise', 'nowhere.png', 'new.png', '--model', model('reference'))
    os.mkdir('folder.png')
    refuses('folder.png: ', 'denoise', 'folder.png', 'new.png', '--model', model('reference'))


@check('pictures that are cut off')
def _():
    whole = png_bytes(picture(24, 24))
    save('photo.jpg', picture(24, 24))
    photo = get('photo.jpg')
    np.save('array.npy', picture(24, 24))
    array = get('array.npy')
    model('reference')
    for name, data in (('cut.png', whole), ('cut.jpg', photo), ('cut.npy', array)):
        for length in sorted({1, 7, 8, 20, 40, 100, len(data) // 2, len(data) - 13, len(data) - 2}):
            put(name, data[:length])
            refuses('%s: ' % name, 'denoise', name, 'new.png', '--model', model('reference'))
            os.remove(name)


@check('headers that lie, and sizes that are too large')
def _():
    array = picture(24, 24)
    for size in ((25, 24), (24, 25), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (1, 2**31 - 1), (0, 24),
                 (20000, 20000)):
        all_ways(put('lie.png', png_bytes(array, size)), '')
    save('photo.jpg', array)
    photo = bytearray(get('photo.jpg'))
    at = photo.find(b'\xff\xc0') # height and width follow length and bits
    photo[at + 5:at + 9] = struct.pack('>HH', 65535, 65535)
    all_ways(put('lie.jpg', bytes(photo)), '')
    for shape in ('(24, 24, 4)', '(24, 24)', '(2000000, 2000000, 3)', '(-1, 24, 3)', '(24, 24, 3, 0)',
                  '(99999999999999999999,)'):
        header = ("{'descr': '|u1', 'fortran_order': False, 'shape': %s, }" % shape).ljust(117) + '\n'
        all_ways(put('lie.npy', b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode() +
                     array.tobytes()), '')


@check('kinds of pictures: palette, one bit, grey and alpha of 16 bits, CMYK')
def _():
    rgb = picture(24, 30)
    Image.fromarray(rgb).convert('P', palette=Image.ADAPTIVE, colors=16).save('palette.png')
    save('same.png', np.asarray(Image.open('palette.png').convert('RGB')))
    Image.fromarray(rgb).convert('1').save('one-bit.png')
    save('same-grey.png', np.asarray(Image.open('one-bit.png').convert('L'))[..., None])
    for path, plain in (('palette.png', 'same.png'), ('one-bit.png', 'same-grey.png')):
        cae('denoise', path, 'out.png', '--model', model('reference'))
        cae('denoise', plain, 'plain.png', '--model', model('reference'))
        same(load('out.png'), load('plain.png'), path)
    both = save('both.png', picture(24, 30, 2, 'uint16'))
    cae('denoise', both, 'out.png', '--model', model('reference'))
    assert load('out.png').shape == (24, 30, 2) and load('out.png').dtype == np.uint16
    Image.fromarray(rgb).convert('CMYK').save('cmyk.jpg')
    all_ways('cmyk.jpg', 'CMYK')


@check('arrays that are no pictures')
def _():
    for name, array, says in (('one.npy', np.zeros(5, 'u1'), 'found 1 dimension'),
                              ('four.npy', np.zeros((1, 3, 8, 8), 'u1'), 'found 4 dimensions'),
                              ('text.npy', np.array([['a', 'b']]), ''),
                              ('none.npy', np.zeros((0, 4, 3), 'u1'), ''),
                              ('whole.npy', np.zeros((4, 4, 3), 'i8'), ''),
                              ('complex.npy', np.zeros((4, 4, 3), 'c8'), '')):
        np.save(name, array)
        all_ways(name, says)
    np.save('objects.npy', np.array([{'a': 1}], object), allow_pickle=True)
    all_ways('objects.npy', '')


@check('NaN in a picture stays where it is')
def _():
    array = picture(40, 40, 3, 'float32')
    array[20, 20, 1] = np.nan
    cae('denoise', save('nan.npy', array), 'out.npy', '--model', model('reference'))
    y, shape = denoised('reference', 'nan.npy')
    found, expected = load('out.npy'), y.reshape(shape).transpose(1, 2, 0)
    assert np.array_equal(found, expected, equal_nan=True) and 0 < np.isnan(found).any(-1).sum() <= 81
    refuses('', 'score', 'nan.npy', '--model', model('reference'))


@check('models with other channels, of another scale, that are no denoisers')
def _():
    path = save('a.png', picture(20, 20))
    refuses(['a.png: expected a picture of 5 channels', 'five.safetensors', 'found 3'], 'denoise', path,
            'new.png', '--model', model('five'))
    refuses('expected a picture of 5 channels', 'encode', path, 'new.npy', '--model', model('five'))
    refuses('expected a picture of 5 channels', 'score', path, '--model', model('five'))
    refuses('expected one that ends at the scale it began with', 'denoise', path, 'new.png', '--model',
            model('larger'))
    for kind in ('steep', 'rising'):
        refuses('a.png: the model does not give back', 'denoise', path, 'new.png', '--model', model(kind))
        refuses('a.png: ', 'score', path, '--model', model(kind))
    refuses(['gives back as many channels', 'found 2 from 3'], 'denoise', path, 'new.png', '--model',
            model('narrow'))
    grey = save('grey.png', picture(20, 20, 1))
    refuses('found 1', 'denoise', grey, 'new.png', '--model', model('five'))


@check('directories that are not there, that may not be written, that are full')
def _():
    path = save('a.png', picture(64, 64))
    refuses('nowhere/b.png: ', 'denoise', path, 'nowhere/b.png', '--model', model('reference'))
    refuses('nowhere/a.png: ', 'denoise', '--out', 'nowhere', path, '--model', model('reference'))
    refuses('a.png/b.png: ', 'denoise', path, 'a.png/b.png', '--model', model('reference'))
    refuses('nowhere/z.npy: ', 'encode', path, 'nowhere/z.npy', '--model', model('reference'))
    refuses('nowhere/m: cannot be written', 'train', '--limit', '10', '--out', 'nowhere/m')
    refuses('--map: expected a directory', 'score', path, '--model', model('reference'), '--map', 'nowhere')
    os.mkdir('folder.png')
    refuses('folder.png: ', 'denoise', path, 'folder.png', '--model', model('reference'))
    refuses('folder.png: expected a file to write, found a directory', 'train', '--out', 'folder.png')


@check('a directory that may not be written')
def _():
    if os.getuid() == 0:
        raise Skip('root may write anywhere')
    path = save('a.png', picture(64, 64))
    os.mkdir('closed', 0o555)
    refuses('closed/b.png: ', 'denoise', path, 'closed/b.png', '--model', model('reference'))
    refuses('closed/m: cannot be written', 'train', '--limit', '10', '--out', 'closed/m')


@check('a disk that is full')
def _():
    path = save('a.png', np.random.default_rng(1).integers(0, 256, (200, 200, 3), 'u1'))
    model('reference')
    os.mkdir('disk')
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', 'disk'],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip('cannot mount a small one')
    try:
        refuses(['disk/b.png: ', 'No space'], 'denoise', path, 'disk/b.png', '--model', model('reference'))
        save('disk/c.png', picture(20, 20))
        refuses('No space', 'denoise', path, 'disk/c.png', '--model', model('reference'))
        put('disk/filler', bytes(60 << 10))
        refuses('No space', 'train', '--limit', '10', '--epochs', '1', '--quiet', '--out', 'disk/m')
    finally:
        subprocess.run(['umount', 'disk'])


# --- cae encode, cae decode -------------------------------------------------------------------------

@check('a latent is what the library encodes; decoded again it is what the whole model gives')
def _():
    for kind, dtype in (('reference', 'uint8'), ('reference', 'uint16'), ('strided', 'uint8'),
                        ('even', 'uint8')):
        path = save('a.png', picture(36, 40, 3, dtype))
        cae('encode', path, 'z.npy', '--model', model(kind))
        z, facts = np.load('z.npy'), report('info', model(kind), '--size', '36x40')
        assert list(z.shape) == facts['latent'] and z.dtype == np.float32
        same(z.ravel(), forward(kind, planes(path), part='encode'), kind)
        for end, bits in (('.png', 8), ('.png', 16), ('.npy', 0)):
            more = ['--bits', bits] if bits else []
            cae('decode', 'z.npy', 'd' + end, '--model', model(kind), *more)
            if bits:
                cae('denoise', path, 'e' + end, '--model', model(kind), '--bits', bits)
                assert get('d' + end) == get('e' + end), kind
            else:
                same(load('d.npy'), forward(kind, planes(path)).reshape(3, 36, 40).transpose(1, 2, 0), kind)


@check('with margins, --size gives back the picture alone')
def _():
    for kind, size in (('strided', (33, 41)), ('valid', (9, 8)), ('reference', (2, 3))):
        path = save('a.png', picture(*size))
        cae('denoise', path, 'e.png', '--model', model(kind))
        cae('encode', path, 'z.npy', '--model', model(kind), says='decode with --size %dx%d' % size)
        cae('decode', 'z.npy', 'd.png', '--model', model(kind), '--size', '%dx%d' % size)
        assert get('d.png') == get('e.png'), kind
        refuses('expected a latent of', 'decode', 'z.npy', 'new.png', '--model', model(kind), '--size', '99x77')
    cae('encode', save('a.png', picture(33, 41)), 'z.npy', '--model', model('strided'), says='--size')
    cae('decode', 'z.npy', 'd.png', '--model', model('strided'))
    assert load('d.png').shape == (36, 44, 3)


@check('colour by a model of one channel, grey by a model of three, alpha')
def _():
    path = save('a.png', picture(20, 22))
    cae('encode', path, 'z.npy', '--model', model('one'))
    assert np.load('z.npy').shape == (3, 4, 20, 22)
    cae('decode', 'z.npy', 'd.png', '--model', model('one'))
    cae('denoise', path, 'e.png', '--model', model('one'))
    assert get('d.png') == get('e.png')
    grey = save('grey.png', picture(20, 22, 1))
    cae('encode', grey, 'z.npy', '--model', model('reference'))
    same(np.load('z.npy').ravel(), forward('reference', np.repeat(planes(grey), 3, axis=0), part='encode'))
    cae('encode', save('alpha.png', picture(20, 22, 4)), 'z.npy', '--model', model('reference'),
        says='its alpha is not in the latent')


@check('what decoding means for a residual model')
def _():
    path = save('a.png', picture(20, 22))
    cae('encode', path, 'z.npy', '--model', model('residual'))
    cae('decode', 'z.npy', 'd.npy', '--model', model('residual'), says='what the model adds to a picture')
    change = load('d.npy').transpose(2, 0, 1)
    whole = forward('residual', planes(path)).reshape(3, 20, 22)
    assert np.allclose(planes(path) + change, whole, atol=1e-6) and not np.allclose(change, whole, atol=0.1)


@check('latents that are none')
def _():
    z = np.zeros((8, 20, 20), 'f4')
    for name, array, says in (('bytes.npy', z.astype('u1'), 'expected a latent of float32, found 8-bit'),
                              ('flat.npy', z[0], 'found 2 dimensions'),
                              ('seven.npy', z[:7], 'expected a latent of 8 channels'),
                              ('two.npy', np.stack([z, z]), 'expected one latent')):
        np.save(name, array)
        refuses([name, says], 'decode', name, 'new.png', '--model', model('reference'))
    path = save('a.png', picture(20, 20))
    refuses('a.png: expected a latent', 'decode', path, 'new.png', '--model', model('reference'))
    np.save('z.npy', z)
    refuses('no decoder', 'decode', 'z.npy', 'new.png', '--model', model('alone'))
    np.save('small.npy', np.zeros((4, 4, 4, 20, 20), 'f4'))
    refuses('found 5 dimensions', 'decode', 'small.npy', 'new.png', '--model', model('strided'))


# --- cae train, cae eval ----------------------------------------------------------------------------

def images(path, count, side, channels=3, dtype='uint8', last=False):
    array = np.stack([picture(side, side, channels, dtype, seed) for seed in range(count)])
    np.save(path, array if last else array.transpose(0, 3, 1, 2))
    return path


TINY = ['--epochs', '1', '--batch', '8']


@check('training on .npy, in either order of axes, on folders, on CIFAR-10')
def _():
    a, b = images('first.npy', 40, 16), images('last.npy', 40, 16, last=True)
    cae('train', '--data', a, '--out', 'a.safetensors', *TINY)
    cae('train', '--data', b, '--out', 'b.safetensors', *TINY)
    one, two = report('info', 'a.safetensors'), report('info', 'b.safetensors')
    assert one['training']['psnr_db'] == two['training']['psnr_db']
    assert one['training']['train_images'] == 36 and one['training']['test_images'] == 4, one['training']
    assert one['training']['dataset'] == 'npy' and one['training']['command'].startswith('cae train --data')
    os.makedirs('photos/inside')
    for i in range(6):
        save('photos/%s%d.%s' % ('inside/' * (i % 2), i, ('png', 'jpg')[i % 2]), picture(40, 50, seed=i))
    put('photos/broken.png', b'no picture')
    said = report('train', '--data', 'photos', '--out', 'c.safetensors', '--crop', '16x24', *TINY,
                  says='broken.png')
    assert said['dataset'] == 'folder' and said['skipped_files'] == 1, said
    said = report('train', '--data', 'photos', '--grey', '--out', 'g.safetensors', '--crop', '16', '--quiet',
                  '--task', 'reconstruct', *TINY)
    assert report('info', 'g.safetensors')['input'][0] == 1 and said['preset'] == 'tuned'
    assert said['sigma'] == 0 and said['noisy_psnr_db'] is None
    os.mkdir('cifar')
    record = b''.join(bytes([i % 10]) + picture(32, 32, 3, seed=i).transpose(2, 0, 1).tobytes()
                      for i in range(20))
    put('cifar/data_batch_1.bin', record), put('cifar/test_batch.bin', record[:3073 * 5])
    said = report('train', '--data', 'cifar', '--out', 'd.safetensors', *TINY)
    assert (said['dataset'], said['train_images'], said['test_images']) == ('cifar10', 20, 5), said


@check('what was learned is saved, whatever becomes of the images')
def _():
    array = np.stack([picture(16, 16, 3, 'float32', seed) for seed in range(40)]).transpose(0, 3, 1, 2)
    array[-1, 0, 0, 0] = np.nan # of those that are kept back
    np.save('data.npy', array)
    cae('train', '--data', 'data.npy', '--out', 'm.safetensors', '--quiet', *TINY, code=1,
        says=['cannot evaluate the model', 'm.safetensors is the model as it was trained, without figures'])
    noted = report('info', 'm.safetensors')['training']
    assert noted['steps'] == 5 and 'psnr_db' not in noted, noted

    images('long.npy', 2000, 32) # some MiB, of which one is held; gone after the first epoch
    with open('said', 'wb') as said:
        trainer = subprocess.Popen([CAE, 'train', '--data', 'long.npy', '--memory', '1', '--out', 'l.safetensors',
                                    '--epochs', '100000'], stderr=said)
    for _ in range(1000):
        if b'epoch' in get('said'):
            break
        time.sleep(0.1)
    os.truncate('long.npy', 4096)
    assert trainer.wait(timeout=100) == 1
    for part in ('training stopped: image ', 'it has become shorter', 'cannot evaluate the model',
                 'l.safetensors is the model as it was after step '):
        assert part in get('said').decode(), get('said').decode()[-1000:]
    assert report('info', 'l.safetensors')['training']['epochs'] >= 1


@check('the images are not written over')
def _():
    data = images('data.npy', 40, 16)
    os.link('data.npy', 'hard.npy')
    model('reference')
    for out in ('data.npy', './data.npy', 'hard.npy'):
        refuses('%s: expected another file than that of --data' % out, 'train', '--data', data, '--out',
                out, *TINY)
        refuses('%s: expected another file than that of --data' % out, 'calibrate', '--data', data,
                '--out', out, '--model', model('reference'), '--force')


def interrupted(error, path, count, *arguments):
    """Standard output and stderr where the count-th read of a file fails."""
    traced = ['strace', '-f', '-qq', '-o', 'trace', '-P', path, '-e', 'trace=read,pread64', '-e',
              'inject=read,pread64:error=%s:when=%d' % (error, count), CAE, *map(str, arguments)]
    done = subprocess.run(traced, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200,
                          env=dict(os.environ, ASAN_OPTIONS='detect_leaks=0')) # which needs ptrace itself
    assert b'(INJECTED)' in get('trace'), get('trace')
    return done.returncode, done.stdout, done.stderr.decode()


@check('no image is lost to a signal, as on network file systems that are left by one')
def _():
    try:
        if subprocess.run(['strace', '-qq', '-o', 'trace', '-e', 'trace=none', 'true'],
                          stderr=subprocess.DEVNULL).returncode:
            raise Skip('strace may not trace here')
    except FileNotFoundError:
        raise Skip('no strace')
    os.mkdir('photos'), os.mkdir('cifar')
    for i in range(3):
        save('photos/%d.%s' % (i, ('png', 'jpg')[i % 2]), picture(40, 50, seed=i))
    put('cifar/test_batch.bin', b''.join(bytes([i]) + picture(32, 32, 3, seed=i).transpose(2, 0, 1).tobytes()
                                         for i in range(6)))
    np.save('data.npy', np.stack([picture(16, 16, seed=i) for i in range(9)]))
    for data, path, reads in (('photos', 'photos/0.png', 2), ('photos', 'photos/1.jpg', 3),
                              ('cifar', 'cifar/test_batch.bin', 3), ('data.npy', 'data.npy', 1)):
        asked = ['eval', '--model', model('reference'), '--data', data, '--threads', '1', '--crop', '24']
        whole = cae(*asked)
        for count in range(1, reads + 1):
            assert interrupted('EINTR', path, count, *asked)[:2] == (0, whole), (path, count)
            code, out, err = interrupted('EIO', path, count, *asked)
            assert os.strerror(5) in err and (code == 1 or data == 'photos') and out != whole, (path, count, err)


@check('the same model every time, with any number of threads; options do something')
def _():
    data = images('data.npy', 40, 16)
    first = ['train', '--data', data, '--quiet', *TINY]
    cae(*first, '--out', '1.safetensors', '--threads', '1')
    for name, more in (('2', ['--threads', '2']), ('3', ['--preset', 'residual']), ('4', ['--seed', '1'])):
        cae(*first, '--out', name + '.safetensors', *more)
        same(weights(name), weights('1'), str(more))
    before = get('1.safetensors') # the same command makes the same file, note and all
    cae(*first, '--out', '1.safetensors', '--threads', '1')
    assert get('1.safetensors') == before
    for name, more in (('5', ['--seed', '2']), ('6', ['--sigma', '0.2']), ('7', ['--lr', '0.01']),
                       ('8', ['--sigma-max', '0.5']), ('9', ['--limit', '20']),
                       ('10', ['--task', 'reconstruct']), ('11', ['--epochs', '2']), ('12', ['--batch', '4']),
                       ('13', ['--preset', 'reference'])):
        cae(*first, '--out', name + '.safetensors', *more)
        assert not np.array_equal(weights(name), weights('1')), more
    for preset in ('reference', 'tuned', 'residual', 'quality', 'compress'):
        said = report(*first, '--out', 'p.safetensors', '--preset', preset)
        assert said['preset'] == preset and said['steps'] == 5, said


def weights(name):
    data = get(name + '.safetensors')
    return np.frombuffer(data[8 + struct.unpack('<Q', data[:8])[0]:], '<f4')


@check('evaluation says what training said; figures are those of numpy')
def _():
    data = images('data.npy', 40, 16)
    trained = report('train', '--data', data, '--out', 'm.safetensors', '--sigma', '0.2', *TINY)
    np.save('test.npy', np.load(data)[36:])
    found = report('eval', '--model', 'm.safetensors', '--data', 'test.npy')
    for key in ('psnr_db', 'ssim', 'ssim_uniform7', 'noisy_psnr_db', 'test_mse', 'sigma', 'test_images'):
        assert found[key] == trained[key], '%s: %s, in training %s' % (key, found[key], trained[key])
    table = cae('eval', '--model', 'm.safetensors', '--data', 'test.npy').decode()
    assert '4 images of npy, noise of sigma 0.2' in table and '%.2f' % found['psnr_db'] in table, table
    found = report('eval', '--model', 'm.safetensors', '--data', 'test.npy', '--sigma', '0')
    psnr = []
    for image in np.load('test.npy'):
        save('one.npy', image.transpose(1, 2, 0))
        x = planes('one.npy').astype('f8')
        y = np.frombuffer(helper('forward', 'm.safetensors', 1, 16, 16, stdin=planes('one.npy').tobytes()),
                          '<f4').astype('f8').reshape(x.shape)
        psnr.append(10 * np.log10(4 / np.mean((x - y) ** 2)))
    assert abs(np.mean(psnr) - found['psnr_db']) < 1e-5, (np.mean(psnr), found)
    assert report('eval', '--model', 'm.safetensors', '--data', 'test.npy', '--limit', '2')['test_images'] == 2


@check('training data that is none')
def _():
    np.save('flat.npy', np.zeros((5, 7), 'u1'))
    np.save('two.npy', np.zeros((5, 2, 8, 8), 'u1'))
    os.mkdir('nothing'), os.mkdir('broken')
    put('broken/a.png', b'no picture'), put('text.npy', b'no array')
    images('single.npy', 1, 16)
    for data, says in (('nowhere', 'nowhere: expected a CIFAR-10 directory, a folder of pictures or a .npy'),
                       ('flat.npy', 'flat.npy: '), ('nothing', 'nothing: '), ('broken', 'broken'),
                       ('text.npy', 'text.npy: '), ('single.npy', 'expected two images or more, ')):
        refuses(says, 'train', '--data', data, '--out', 'new', '--quiet', *TINY)
    images('data.npy', 20, 18)
    refuses('', 'train', '--data', 'data.npy', '--preset', 'compress', '--out', 'new', *TINY)
    images('five.npy', 20, 16, 3)
    refuses('cannot evaluate', 'eval', '--model', model('five'), '--data', 'five.npy')


@check('training that diverges saves nothing')
def _():
    put('m.safetensors', b'the model of yesterday')
    images('data.npy', 40, 16)
    refuses(['training diverged', 'a smaller --lr may help'], 'train', '--data', 'data.npy', '--lr', '1e30',
            '--out', 'm.safetensors', '--quiet', *TINY)


def signals_are_heard():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): # whoever runs this may have some ignored
        signal.signal(number, signal.SIG_DFL)


@check('Ctrl-C saves the model as it is')
def _():
    images('data.npy', 200, 32)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        child = subprocess.Popen([CAE, 'train', '--data', 'data.npy', '--epochs', '100000', '--out',
                                  'm.safetensors'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 preexec_fn=signals_are_heard)
        line = child.stderr.readline() # the first epoch is done
        child.send_signal(number)
        if number == signal.SIGHUP: # from the terminal, and then from the shell
            child.send_signal(number)
        out, err = child.communicate(timeout=100)
        assert child.returncode == code, (child.returncode, line, err)
        assert b'interrupted after step' in err and b'PSNR' in out, (out, err)
        trained = report('info', 'm.safetensors')['training']
        assert 0 < trained['epochs'] < 100000 and trained['steps'] > 0
        os.remove('m.safetensors')


@check('a model that cannot be evaluated is saved all the same')
def _():
    os.mkdir('cifar')
    record = bytes(i % 10 for i in range(3073))
    put('cifar/data_batch_1.bin', record * 40), put('cifar/test_batch.bin', record * 400)
    child = subprocess.Popen([CAE, 'train', '--data', 'cifar', '--memory', '1', '--epochs', '100000', '--out',
                              'm.safetensors'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             preexec_fn=signals_are_heard)
    child.stderr.readline()
    put('cifar/test_batch.bin', b'')
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=100)
    assert child.returncode == 1 and not out, (child.returncode, out, err)
    assert b'it has become shorter' in err and b'm.safetensors is the model as it was trained' in err, err
    assert report('info', 'm.safetensors')['parameters'] > 0


# --- cae calibrate, cae score -----------------------------------------------------------------------

def calibrated(kind='one', quantile='1', more=()):
    os.makedirs('good', exist_ok=True)
    for i in range(8):
        save('good/%d.png' % i, picture(24, 24, 3, seed=i))
    said = report('calibrate', '--model', model(kind), '--data', 'good', '--crop', '24', '--quantile', quantile,
                  '--out', 'ready.safetensors', *more)
    return said['threshold']


@check('clean pictures that a model was calibrated with are normal')
def _():
    for more in ([], ['--kind', 'peak', '--smoothing', '2']):
        for kind in ('one', 'reference'):
            threshold = calibrated(kind, more=more)
            files = ['good/%d.png' % i for i in range(8)]
            said = report('score', *files, '--model', 'ready.safetensors')
            scores = [one['score'] for one in said['files']]
            assert abs(max(scores) - threshold) <= 1e-10 * threshold, (scores, threshold)
            assert {one['verdict'] for one in said['files']} == {'normal'} and said['anomalies'] == 0
            facts = report('info', 'ready.safetensors')['threshold']
            assert abs(facts['value'] - threshold) < 1e-10 and facts['quantile'] == 1


@check('a score is the library\'s')
def _():
    threshold = calibrated('reference')
    for name, array in (('a.png', picture(30, 40, 3, seed=9)), ('b.npy', picture(20, 21, 3, 'float32')),
                        ('c.png', picture(30, 40, 3, 'uint16'))):
        save(name, array)
        x = planes(name)
        expected = float(helper('score', 'ready.safetensors', x.shape[1], x.shape[2], stdin=x.tobytes()))
        found = report('score', name, '--model', 'ready.safetensors', code=3 if expected > threshold else 0)
        assert abs(found['files'][0]['score'] - expected) <= 1e-11 * expected, (found, expected)
    found = json.loads(call('score', '-', '--model', 'ready.safetensors', '--json', stdin=get('c.png'))[1])
    assert found['files'][0]['file'] == '-'


@check('an anomaly: exit code 3, verdict, map')
def _():
    threshold = calibrated('one', more=['--kind', 'peak'])
    odd = picture(24, 24, 3, seed=3)
    odd[8:16, 8:16] = 255 * (np.indices((8, 8)).sum(0) % 2)[..., None].astype('u1')
    save('odd.png', odd)
    os.mkdir('maps')
    said = report('score', 'good/3.png', 'odd.png', '--model', 'ready.safetensors', '--map', 'maps', code=3)
    assert [one['verdict'] for one in said['files']] == ['normal', 'anomaly'] and said['anomalies'] == 1
    assert said['files'][1]['score'] > threshold and said['threshold'] == threshold
    heat = load('maps/odd.png.map.png').astype('i4').sum(-1)
    assert heat.shape == (24, 24)
    place = np.unravel_index(heat.argmax(), heat.shape)
    assert 7 <= place[0] <= 16 and 7 <= place[1] <= 16, place
    assert load('maps/3.png.map.png').astype('i4').sum(-1).max() <= 3 * 255 * 0.51
    text = cae('score', 'good/3.png', 'odd.png', '--model', 'ready.safetensors', code=3).decode().splitlines()
    assert text[0].split()[1:] == ['normal', 'good/3.png'] and text[1].split()[1:] == ['anomaly', 'odd.png']


@check('a model that was never calibrated')
def _():
    path = save('a.png', picture(24, 24))
    assert cae('score', path, '--model', model('reference')).decode().split()[1:] == ['-', 'a.png']
    said = report('score', path, '--model', model('reference'))
    assert said['threshold'] is None and said['files'][0]['verdict'] is None
    refuses(['expected a calibrated model, found no threshold', '`cae calibrate --model'], 'score', path,
            '--model', model('reference'), '--check')
    os.mkdir('maps')
    cae('score', path, '--model', model('reference'), '--map', 'maps')
    assert load('maps/a.png.map.png').max() == 255


@check('a file that fails does not stop the others, and wins over an anomaly')
def _():
    calibrated('one', '0.1')
    put('broken.png', b'no picture')
    said = report('score', 'good/0.png', 'broken.png', *['good/%d.png' % i for i in range(1, 8)], '--model',
                  'ready.safetensors', code=1, says='broken.png: ')
    assert said['failed'] == 1 and said['anomalies'] > 0 and len(said['files']) == 8
    cae('score', *['good/%d.png' % i for i in range(8)], '--model', 'ready.safetensors', code=3)


@check('every map has a place of its own')
def _():
    for folder in ('a', 'b', 'maps'):
        os.mkdir(folder)
    a, b = save('a/1.png', picture(24, 24)), save('b/1.png', picture(24, 24, seed=2))
    maps = ['--model', model('reference'), '--map', 'maps']
    refuses(['a/1.png and b/1.png', 'names that differ'], 'score', a, b, *maps, code=2)
    cae('score', a, *maps)
    refuses(['maps/1.png.map.png: expected another place than that of the map of a/1.png'], 'score', a,
            'maps/1.png.map.png', *maps)
    put('a/1.png.map.png', get('a/1.png')) # a picture like others, in another place
    cae('score', a, 'a/1.png.map.png', *maps)
    assert sorted(os.listdir('maps')) == ['1.png.map.png', '1.png.map.png.map.png']


@check('calibration that cannot be')
def _():
    calibrated('one')
    helper('make', 'one', 'm.safetensors')
    refuses('expected another file than the input m.safetensors', 'calibrate', '--model', 'm.safetensors',
            '--data', 'good', '--out', 'm.safetensors')
    refuses('nowhere', 'calibrate', '--model', 'm.safetensors', '--data', 'nowhere', '--out', 'new')
    refuses('nowhere/m: cannot be written', 'calibrate', '--model', 'm.safetensors', '--data', 'good', '--out',
            'nowhere/m')
    refuses('cannot calibrate', 'calibrate', '--model', model('larger'), '--data', 'good', '--crop', '24',
            '--out', 'new')
    refuses('good: ', 'calibrate', '--model', 'm.safetensors', '--data', 'good', '--crop', '99', '--out', 'new',
            '--quiet')
    cae('calibrate', '--model', 'm.safetensors', '--data', 'good', '--crop', '24', '--out', 'm.safetensors',
        '--force')
    assert report('info', 'm.safetensors')['threshold']['kind'] == 'mean'


# --- TAP --------------------------------------------------------------------------------------------

def run(number, text, function, pictures):
    scratch = os.path.join(TOP, str(number))
    os.mkdir(scratch)
    os.chdir(scratch)
    try:
        if pictures and np is None:
            raise Skip('numpy and Pillow are not here')
        function()
        print('ok %d - %s' % (number, text))
        return True
    except Skip as reason:
        print('ok %d - %s # SKIP %s' % (number, text, reason))
        return True
    except Exception as error: # pylint: disable=broad-except
        print('not ok %d - %s' % (number, text))
        print('\n'.join('# ' + line for line in ('%s: %s' % (type(error).__name__, error)).splitlines()))
        if os.environ.get('CAE_TEST_VERBOSE'):
            import traceback
            traceback.print_exc()
        return False
    finally:
        os.chdir(TOP)
        shutil.rmtree(scratch, ignore_errors=True)
        sys.stdout.flush()


def main():
    chosen = [c for c in CHECKS if not sys.argv[3:] or any(word in c[0] for word in sys.argv[3:])]
    print('1..%d' % len(chosen))
    good = [run(i + 1, *c) for i, c in enumerate(chosen)]
    return 0 if all(good) else 1


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    CAE, HELPER = map(os.path.abspath, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as TOP:
        status = main()
    sys.exit(status)
