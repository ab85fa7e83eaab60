#!/usr/bin/env python3
"""Seed inputs for the fuzz targets, and the malformed files that every reader of safetensors knows.

usage: seeds.py [--stamp FILE] GENERATOR DIRECTORY

GENERATOR is the program made from seeds.c: it writes what the library writes. Here follows what it would
not. DIRECTORY gets a folder for each target; FILE is touched when it is done. The same files every time."""
import argparse
import json
import os
import random
import struct
import subprocess

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument('--stamp')
parser.add_argument('generator')
parser.add_argument('directory')
options = parser.parse_args()
top = options.directory
TARGETS = ('api', 'architecture', 'checkpoint', 'cifar10', 'data', 'group', 'history', 'images', 'jpeg', 'json', 'model', 'npy',
           'png', 'weights')
IMAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'api', 'images')


def put(target, name, data):
    with open(os.path.join(top, target, name), 'wb') as file:
        file.write(data)


def get(target, name):
    with open(os.path.join(top, target, name), 'rb') as file:
        return file.read()


def pack(header, values=b'', length=None):
    """A safetensors file; `length` is what it says of its header."""
    if isinstance(header, dict):
        header = json.dumps(header, separators=(',', ':'))
    if isinstance(header, str):
        header = header.encode()
    return struct.pack('<Q', len(header) if length is None else length) + header + values


def unpack(data):
    size = struct.unpack('<Q', data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


def tensor(shape, begin, end, dtype='F32'):
    return {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}


def malformed():
    """name, bytes: the errors of the reference reader by its names, then those only libcae has."""
    one = {'0.bias': tensor([1], 0, 4)}
    yield 'header_too_small', b'\x01\0\0\0'
    yield 'empty', b''
    yield 'header_too_large', b'<\0\0\0\0\xff\xff\xff{}'
    yield 'header_too_large_by_one', pack('{}', length=100000001)
    yield 'header_above_our_limit', pack('{}', length=(16 << 20) + 1)
    yield 'invalid_header_length', pack('{}', length=3)
    yield 'header_length_wraps', pack('{}', length=2**64 - 1)
    yield 'invalid_header_utf8', pack(b'\xff')
    yield 'invalid_header_start', pack(' {}')
    yield 'header_is_not_json', pack('{')
    yield 'header_is_an_array', pack('[]')
    yield 'header_is_a_number', pack('1')
    yield 'header_is_empty', pack('')
    yield 'no_tensors', pack('{}')
    yield 'trailing_spaces', pack('{}      ')
    yield 'two_values', pack('{}{}')
    yield 'metadata_is_no_object', pack({'__metadata__': []})
    yield 'metadata_is_no_text', pack({'__metadata__': {'a': 1}})
    yield 'tensor_is_no_object', pack({'a': 1})
    yield 'no_dtype', pack({'a': {'shape': [1], 'data_offsets': [0, 4]}}, bytes(4))
    yield 'no_shape', pack({'a': {'dtype': 'F32', 'data_offsets': [0, 4]}}, bytes(4))
    yield 'no_offsets', pack({'a': {'dtype': 'F32', 'shape': [1]}}, bytes(4))
    yield 'three_offsets', pack({'a': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4, 4]}}, bytes(4))
    yield 'unknown_dtype', pack({'a': tensor([1], 0, 4, 'F31')}, bytes(4))
    yield 'real_shape', pack('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', bytes(4))
    yield 'negative_shape', pack({'a': tensor([-1], 0, 4)}, bytes(4))
    yield 'negative_offset', pack({'a': tensor([1], -4, 0)}, bytes(4))
    yield 'invalid_offset_hole', pack({'a': tensor([1], 0, 4), 'b': tensor([1], 8, 12)}, bytes(12))
    yield 'invalid_offset_overlap', pack({'a': tensor([2], 0, 8), 'b': tensor([1], 4, 8)}, bytes(8))
    yield 'invalid_offset_same', pack({'a': tensor([1], 0, 4), 'b': tensor([1], 0, 4)}, bytes(4))
    yield 'invalid_offset_start', pack({'a': tensor([1], 4, 8)}, bytes(8))
    yield 'invalid_offset_backwards', pack({'a': tensor([1], 4, 0)}, bytes(4))
    yield 'invalid_offset_beyond', pack({'a': tensor([1 << 40], 0, 4 << 40)}, bytes(4))
    yield 'tensor_invalid_info', pack({'a': tensor([2], 0, 4)}, bytes(4))
    yield 'overflow_elements', pack({'a': tensor([2, 2**64 - 2], 0, 4)}, bytes(4))
    yield 'overflow_bytes', pack({'a': tensor([2, 2**63 - 1], 0, 4)}, bytes(4))
    yield 'overflow_offsets', pack({'a': tensor([1], 2**63 - 5, 2**63 - 1)}, bytes(4))
    yield 'metadata_incomplete_buffer', pack(one, bytes(3))
    yield 'metadata_incomplete_buffer_extra', pack(one, bytes(5))
    yield 'not_whole_bytes', pack({'a': tensor([1], 0, 0, 'F4')})
    yield 'zero_sized', pack({'a': tensor([2, 0], 0, 0)})
    yield 'zero_sized_between', pack({'a': tensor([0], 4, 4), '0.bias': tensor([1], 0, 4)}, bytes(4))
    yield 'scalar', pack({'a': tensor([], 0, 4)}, bytes(4))
    yield 'many_dimensions', pack({'a': tensor([1] * 300, 0, 4)}, bytes(4))
    yield 'same_key_twice', pack('{"a":%s,"a":%s}' % ((json.dumps(tensor([0], 0, 0)),) * 2))
    yield 'same_key_escaped', pack('{"a":%s,"\\u0061":%s}' % ((json.dumps(tensor([0], 0, 0)),) * 2))
    yield 'deep_arrays', pack('[' * 1000)
    yield 'deep_objects', pack('{"a":' * 1000)
    yield 'f64', pack({'0.bias': tensor([1], 0, 8, 'F64')}, bytes(8))


def edits(data):
    """Of a good model: what is well formed and yet not to be believed."""
    header, values = unpack(data)
    key = 'libcae.architecture'
    architecture = json.loads(header['__metadata__'][key])

    def with_architecture(text):
        changed = json.loads(json.dumps(header))
        changed['__metadata__'][key] = text if isinstance(text, str) else json.dumps(text)
        return pack(changed, values)

    def with_layer(**members):
        changed = json.loads(json.dumps(architecture))
        changed['layers'][0].update(members)
        return with_architecture(changed)

    yield 'architecture_empty', with_architecture('')
    yield 'architecture_array', with_architecture('[]')
    yield 'architecture_no_layers', with_architecture(dict(architecture, layers=[]))
    yield 'architecture_later', with_architecture(dict(architecture, version=3))
    yield 'architecture_version_2', with_architecture(dict(architecture, version=2))
    yield 'residual_version_1', with_architecture(dict(architecture, residual=True))
    yield 'residual_activation', with_architecture(dict(architecture, version=2, residual=True))
    yield 'residual_false', with_architecture(dict(architecture, version=2, residual=False))
    yield 'residual_number', with_architecture(dict(architecture, version=2, residual=1))
    yield 'architecture_encoder_0', with_architecture(dict(architecture, encoder_layers=0))
    yield 'architecture_encoder_9', with_architecture(dict(architecture, encoder_layers=9))
    yield 'architecture_unknown', with_architecture(dict(architecture, groups=2))
    yield 'layer_unknown', with_layer(groups=2)
    yield 'layer_huge', with_layer(out=1048576, kernel=[1024, 1])
    yield 'layer_huger', with_layer(out=2**31 - 1)
    yield 'layer_beyond', with_layer(out=2**63 - 1)
    yield 'layer_negative', with_layer(stride=[-1, 1])
    yield 'layer_large', with_layer(kernel=[1024, 1024])
    yield 'layer_padding', with_layer(padding=[65535, 65535])
    yield 'layer_stride', with_layer(stride=[65535, 65535])
    yield 'layer_dilation', with_layer(dilation=[65535, 65535])
    yield 'layer_slope', with_layer(activation='leaky_relu', slope_bits=0x7f800000)
    yield 'nan', pack(header, b'\0\0\xc0\x7f' + values[4:])
    yield 'infinity', pack(header, values[:-4] + b'\0\0\x80\x7f')
    last = max((k for k in header if k != '__metadata__'), key=lambda k: header[k]['data_offsets'])
    begin, end = header[last]['data_offsets']
    for name, move in ('hole', 4), ('overlap', -4), ('beyond', 4096):
        header[last]['data_offsets'] = [begin + move, end + move]
        yield name, pack(header, values + bytes(max(0, move)) * (name == 'hole'))
    header[last] = tensor([1], begin, end)
    yield 'shape_too_small', pack(header, values)
    header[last] = tensor([4, 1 << 62] + header[last]['shape'], begin, begin)
    yield 'shape_wraps', pack(header, values[:begin])
    header, values = unpack(data)
    for name, move in ('border_up', 4), ('border_down', -4): # between 2.bias and 2.weight
        moved = json.loads(json.dumps(header))
        moved['2.bias']['data_offsets'][1] += move
        moved['2.weight']['data_offsets'][0] += move
        yield name, pack(moved, values)
    weight = header['0.weight']
    weight['shape'] = weight['shape'] + [1]
    yield 'rank_5', pack(header, values)
    header, values = unpack(data)
    yield 'cut_off', data[:-1]
    yield 'extended', data + b'\0'
    without = {k: v for k, v in header.items() if k != '__metadata__'}
    yield 'state_dict', pack(without, values)


def states(data):
    """Of a good checkpoint: counters that lie."""
    header, values = unpack(data)
    key = 'libcae.trainer'
    state = json.loads(header['__metadata__'][key])
    lies = {'step': -1, 'epoch': 2**63 - 1, 'position': 6, 'updates': 2**53 + 1, 'seed': '2',
            'loss_sum_bits': str(0x7ff0000000000000), 'batch': 5, 'images': 7, 'shuffle': 0,
            'optimizer': 'lion', 'moments': 1, 'version': 2}
    for name, lie in lies.items():
        header['__metadata__'][key] = json.dumps(dict(state, **{name: lie}))
        yield 'state_' + name, pack(header, values)
    for name, lie in {'average': True, 'average_2': 1}.items():
        header['__metadata__'][key] = json.dumps(dict(state, version=2, average=lie))
        yield 'state_' + name, pack(header, values)
    header['__metadata__'][key] = json.dumps(dict(state, step=2**53, epoch=2**53, updates=2**53))
    yield 'state_last', pack(header, values)


def thresholds(data):
    """Of a good calibrated model: thresholds that lie."""
    header, values = unpack(data)
    key = 'libcae.threshold'
    threshold = json.loads(header['__metadata__'][key])
    lies = {'version': 2, 'threshold_bits': str(0x7ff0000000000000), 'quantile_bits': str(0x3ff0000000000001),
            'kind': 'median', 'smoothing': 257, 'images': 0, 'more': 1}
    for name, lie in lies.items():
        header['__metadata__'][key] = json.dumps(dict(threshold, **{name: lie}))
        yield 'threshold_' + name, pack(header, values)
    for name, text in {'empty': '', 'array': '[]', 'deep': '{"a":' * 100}.items():
        header['__metadata__'][key] = text
        yield 'threshold_' + name, pack(header, values)
    for name, bits in {'nan': 0x7ff8000000000000, 'negative': 0xbfe0000000000000, 'denormal': 1}.items():
        header['__metadata__'][key] = json.dumps(dict(threshold, threshold_bits=str(bits)))
        yield 'threshold_' + name, pack(header, values)


def npy(header, data=b'', version=(1, 0), length=None):
    header = header.encode()
    length = struct.pack('<H' if version[0] == 1 else '<I', len(header) if length is None else length)
    return b'\x93NUMPY' + bytes(version) + length + header + data


def arrays():
    """name, bytes: NumPy files, good and bad"""
    text = "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }"
    for descr, size in {'|u1': 1, '<u2': 2, '>u2': 2, '<f4': 4, '>f4': 4, '<f8': 8, '>f8': 8, '=u1': 1,
                        'f4': 4, '|b1': 1, '<i8': 8, '|O': 8, '<c8': 8, '<U4': 16, '<f2': 2}.items():
        name = 'type_' + descr.replace('<', 'little_').replace('>', 'big_').replace('|', '').replace('=', 'is_')
        yield name, npy(text % (descr, 'False', '(2, 3)'), bytes(range(6 * size)))
    for i, shape in enumerate(['()', '(6,)', '(6L,)', '(1, 2, 3)', '(2, 3, 1, 1)', '(1, 1, 1, 1, 1, 1, 1, 6)',
                               '(1, 1, 1, 1, 1, 1, 1, 1, 6)', '(0, 6)', '(-6,)', '(6)', '(6', '(,)', '(6,,)', '[6]',
                               '(9223372036854775807,)', '(9223372036854775808,)', '(4294967296, 4294967296)',
                               '(2305843009213693952, 8)', '(7,)', '(5,)', '( 2 ,\n3 , )']):
        yield 'shape_%02d' % i, npy(text % ('|u1', 'False', shape), bytes(6))
    good = text % ('|u1', 'False', '(6,)')
    yield 'fortran', npy(text % ('|u1', 'True', '(2, 3)'), bytes(6))
    yield 'fortran_1', npy(text % ('|u1', 'True', '(6,)'), bytes(6))
    for i, header in enumerate(['', '{', '{}', good[:-1], good + 'x', good.replace("'descr'", "'d'"), good[:1] + good[1:18] +
                                good[1:], good.replace("'", '"'), good.replace("'", ''), good.replace(', }', '}'),
                                '{' + ' ' * 3000 + good[1:], good.replace('|u1', 'u1' * 40), '[%s]' % good,
                                good.replace("'|u1'", "[('a', '|u1')]"), good.replace(',', ',,')]):
        yield 'header_%02d' % i, npy(header, bytes(6))
    for version in (2, 0), (3, 0), (0, 0), (4, 0), (1, 1), (255, 255):
        yield 'version_%d_%d' % version, npy(good, bytes(6), version)
    for length in 0, 1, 65535:
        yield 'length_%d' % length, npy(good, bytes(6), length=length)
    yield 'length_huge', npy(good, bytes(6), (2, 0), 2**32 - 1)
    for cut in 6, 8, 9, 10, 11, 40:
        yield 'cut_%d' % cut, npy(good, bytes(6))[:cut]


TEXTS = [
    '', ' ', 'null', 'true', 'false', '0', '-0', '-1', '01', '1.5', '1e3', '9223372036854775807',
    '9223372036854775808', '-9223372036854775808', '-9223372036854775809', '""', '"a"', '"\\u0000"',
    '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\x"', '"\t"', '"', '"\\',
    '[]', '[1]', '[1,]', '[,1]', '[1 2]', '[' * 64 + ']' * 64, '[' * 65 + ']' * 65, '[' * 5000,
    '{}', '{"a":1}', '{"a":1,"a":2}', '{"a":1,"b":2,"c":[{"d":null}]}', '{"a"}', '{a:1}', '{"a":1,}',
    '{"":{"":{"":0}}}', '[0' + ',0' * 500 + ']', '{' + ','.join('"%x":0' % i for i in range(200)) + '}',
]

LOG = b'step,epoch,loss,learning_rate,images_per_second\n'


def write_all():
    for name, data in malformed():
        for target in ('model', 'weights', 'checkpoint'):
            put(target, name, data)
    model, checkpoint = get('model', 'activation_1'), get('checkpoint', 'adam')
    for name, data in edits(model):
        put('model', name, data)
        put('weights', name, data)
    for name, data in thresholds(get('model', 'threshold_mean')):
        put('model', name, data)
    put('weights', 'plain', get('model', 'plain'))
    put('weights', 'checkpoint', checkpoint)
    put('model', 'checkpoint', checkpoint)
    for name, data in states(checkpoint):
        put('checkpoint', name, data)
    average = get('checkpoint', 'average')
    for name, data in states(average):
        put('checkpoint', 'average_' + name, data)
    put('checkpoint', 'average_nan', average.replace(average[-4:], b'\0\0\xc0\x7f'))
    put('checkpoint', 'average_renamed', average.replace(b'optim.average.0.bias', b'optim.overage.0.bias'))
    put('weights', 'residual', get('model', 'residual'))
    put('checkpoint', 'model', model)

    for i, text in enumerate(TEXTS):
        put('json', 'text_%02d' % i, text.encode())
    put('json', 'zeros', b'[0' + b',0' * 8000 + b']')
    put('json', 'not_utf8', b'"\xc0\x80"')
    put('json', 'header', model[8:8 + struct.unpack('<Q', model[:8])[0]])
    description = unpack(model)[0]['__metadata__']['libcae.architecture'].encode()
    put('json', 'architecture', description)
    put('architecture', 'text', b'\0\x07\x07' + description)
    residual = unpack(get('model', 'residual'))[0]['__metadata__']['libcae.architecture'].encode()
    put('architecture', 'residual', b'\0\x07\x07' + residual)

    pixels = bytes(i * 7 & 255 for i in range(3072))
    record = b'\x03' + pixels
    for name, data in {'one': b'\0' + record, 'test': b'\1' + record, 'two_files': b'\6' + 4 * record,
                       'label': b'\0\x0a' + pixels, 'cut_off': b'\0' + record[:-1], 'nothing': b'\0',
                       'extended': b'\0' + record + b'\0'}.items():
        put('cifar10', name, data)

    for name, data in arrays():
        put('npy', name, data)
    for name in sorted(os.listdir(IMAGES)):
        target = {'.png': 'png', '.jpg': 'jpeg'}.get(name[-4:])
        if target:
            with open(os.path.join(IMAGES, name), 'rb') as file:
                data = file.read()
            put(target, name[:-4], data)
            put(target, name[:-4] + '_cut', data[:len(data) * 2 // 3])

    for name, data in {'empty': b'', 'header': LOG, 'rows': LOG + b'1,1,0.5,0.001,100\n2,1,0.25,0.001,9\n',
                       'back': LOG + b'2,1,0.5,0.001,1\n1,1,0.5,0.001,1\n', 'nan': LOG + b'1,1,nan,1,1\n',
                       'half': LOG + b'1,1,0.5', 'foreign': b'a,b\n', 'far': LOG + b'9223372036854775807,1,1e308,1,1\n',
                       }.items():
        put('history', name, data)

    source = random.Random(1) # its randbytes is the same in every Python 3.9 and later
    for target, lengths in {'api': (40, 120, 300, 700), 'group': (60, 200), 'data': (40, 120, 300), 'images': (20, 60, 200), 'architecture': (30, 90)}.items():
        for length in lengths:
            for i in range(8):
                data = bytes(source.choice((source.randrange(256), source.randrange(16)))
                             for _ in range(length))
                put(target, 'random_%d_%d' % (length, i), data)
    # a trainer, its place in a group, sums that go well, then calls and their sums
    for name, calls in {'steps': [4, 0, 4, 0, 4, 0], 'epoch': [0] + [0] * 12, 'save': [1, 0, 0, 2, 0, 0, 0, 0],
                        'stop': [3, 0, 0, 0]}.items():
        for kind, bad, ranks, rank, reduction in ((0, 0, 1, 0, 0), (66, 0, 1, 1, 1), (128, 129, 1, 0, 0), (16, 2, 0, 0, 0)):
            put('group', '%s_%d' % (name, kind), bytes([kind, bad, 9, ranks, 1, rank, reduction, 0, 0, 0] + calls + [0] * 20))
    # small model, dataset, optimizer, trainer, then steps, an epoch, a look, an evaluation
    put('api', 'train', bytes([6, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 3, 0, 4, 4, 0] + [130] * 16 + [10, 0] +
                              [18, 0, 0, 1, 0, 0, 21, 0, 0, 0, 0, 3, 0, 0] + [23, 0, 0] * 4 +
                              [25, 0, 7, 15, 26, 0, 0, 3, 27, 0, 0, 1, 0, 0] + [9, 0, 0, 0, 10, 0, 0, 0]))
    # calls that came later have bytes from 231 on: api.c
    scorer, score, calibrate, threshold, more = 238, 239, 240, 241, 237
    # small model, dataset, scorer, frames, a threshold, changed parameters, a frame, a file, ends
    begin = [6, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 3, 0, 5, 5, 0] + [130] * 16 + [10, 0]
    put('api', 'score', bytes(begin + [scorer, 0, 0, 0, 0, 1, 0, 5, 0, 5, 0] + [score, 0, 1] + [20] * 33 +
                              [calibrate, 0, 0, 0, 1, 2, 100, 0, threshold, 0, 9, 0, 0, 0, 10, 0, 0, 0, threshold, 0] +
                              [8, 0, 0, 2, 0] + [64] * 36 + [score, 0, 0] + [10] * 33 + [threshold, 0, 32, 0, 1, score, 0]))
    for name, calls in {'note': [4, 0, 3, 65, 66, 67, 0], 'layers': [3, 0, 0], 'file': [4, 0, 2, 65, 66, 0, more, 5, 0, 0, 0, 0],
                        'weights': [5, 0, 0, 2], 'onnx': [5, 0, 0, 1, 2], 'words': [8, 249, 3], 'recipe': [1, 4, 100, 5, 0, 0, 0],
                        'preset': [0, 0, 4, 2, 0, 5, 0, 0, 0, 0]}.items():
        put('api', 'more_' + name, bytes(begin + [0, 0] + [more] + calls))
    # an array of 8 images of 1x5x5, as a file that stays open, cut off while it is trained on, mended
    image = [0, 0, 2] + [0, 7, 0, 0, 0, 4, 0, 4] + [0, 0] * 4 + [130] * 8 + [0]
    train = [13, 0, 2, 0, 5, 1, 1, 7, 0, 5] + [0, 200, 9, 0, 0, 0, 0, 200, 100, 0, 0, 0, 0]
    for name, calls in {'npy': [5, 0, 0, 0, 0, 0, 0, 0] + train + [15, 0, 10, 0, 3],
                        'cut': [5, 0, 0, 0, 0, 0, 0, 0] + [11, 0, 7, 0, 20, 0, 0, 0, 10, 0, 7] + train + [15, 0],
                        'cifar': [7, 0, 2, 1, 0, 0, 0, 0, 0] + train + [15, 0, 10, 0, 3],
                        'file': [3, 0, 0, 0, 0, 3, 0, 0, 1, 0], 'planes': [4, 0, 0, 1, 0, 0]}.items():
        put('data', name, bytes(image + calls))
    picture = [0, 0, 1] + [0, 8, 0, 8, 0, 2] + [0, 0] * 5 + [130] * 8 + [0]
    put('data', 'folder', bytes(picture + [8, 0, 0, 1, 3, 3, 2, 1, 0, 0, 0] + train + [15, 0, 9, 0, 1, 0, 0, 10, 1, 0]))


for target in TARGETS:
    os.makedirs(os.path.join(top, target), exist_ok=True)
subprocess.run([options.generator, top], check=True)
write_all()
if options.stamp:
    open(options.stamp, 'w').close()
