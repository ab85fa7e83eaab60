#!/usr/bin/env python3
"""Make the images that the library does not write itself, with Pillow: kinds of PNG and JPEG. Written into
this folder; NAME.npy beside NAME is what has to come of it.

    /usr/bin/python3 tests/api/images/make.py

Waves and noise, drawn here; what is expected is worked out here, not read back from a file, but for JPEG."""
import io
import os
import struct
import zlib

import numpy
from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
random = numpy.random.RandomState(1)


def put(name, data, expected):
    with open(os.path.join(here, name), 'wb') as file:
        file.write(data)
    if expected is not None:
        with open(os.path.join(here, name + '.npy'), 'wb') as file:
            numpy.lib.format.write_array(file, numpy.ascontiguousarray(expected), version=(1, 0))


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def packed(values, bits):
    """Rows of `values` [height][width * channels], of that many bits each, with a filter byte of 0."""
    rows = []
    for row in values:
        text = ''.join(format(int(v), '0%db' % bits) for v in row)
        text += '0' * (-len(text) % 8)
        rows.append(b'\0' + bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8)))
    return b''.join(rows)


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def png(values, bits, colour, interlaced=False, before=b'', extra=b''):
    """`values` [height][width][channels]; `before` is chunks before the pixels."""
    height, width = values.shape[:2]
    data = b''
    if interlaced:
        for y, x, down, right in ADAM7:
            part = values[y::down, x::right]
            if part.size:
                data += packed(part.reshape(part.shape[0], -1), bits)
    else:
        data = packed(values.reshape(height, -1), bits)
    header = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, int(interlaced))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + before + chunk(b'IDAT', zlib.compress(data, 9)) +
            extra + chunk(b'IEND', b''))


def draw(height, width, channels, most):
    return random.randint(0, most + 1, (height, width, channels))


def make_png():
    for bits in 1, 2, 4, 8, 16:
        most = (1 << bits) - 1
        for interlaced in False, True:
            name = 'grey%d%s.png' % (bits, '_interlaced' if interlaced else '')
            values = draw(9, 11, 1, most)
            expected = values.astype('<u2') if bits == 16 else (values * (255 // most)).astype('u1')
            put(name, png(values, bits, 0, interlaced), expected)
    for name, colour, channels in ('grey_alpha', 4, 2), ('rgb', 2, 3), ('rgba', 6, 4):
        for bits, type in (8, 'u1'), (16, '<u2'):
            values = draw(5, 7, channels, (1 << bits) - 1)
            put('%s%d.png' % (name, bits), png(values, bits, colour, bits == 8), values.astype(type))
    palette = random.randint(0, 256, (16, 3)).astype('u1')
    alpha = random.randint(0, 256, 9).astype('u1')
    plte, trns = chunk(b'PLTE', palette.tobytes()), chunk(b'tRNS', alpha.tobytes())
    values = draw(6, 5, 1, 15)
    put('palette4.png', png(values, 4, 3, before=plte), palette[values[..., 0]])
    whole = numpy.concatenate([palette, numpy.full((16, 1), 255, 'u1')], axis=1)
    whole[:9, 3] = alpha
    put('palette8_alpha.png', png(values, 8, 3, True, before=plte + trns), whole[values[..., 0]])
    values = draw(6, 5, 1, 3)
    expected = numpy.concatenate([values * 85, numpy.where(values == 2, 0, 255)], axis=2).astype('u1')
    put('grey2_key.png', png(values, 2, 0, before=chunk(b'tRNS', struct.pack('>H', 2))), expected)
    values = draw(6, 5, 3, 1) * 65535
    key = (values == [65535, 0, 65535]).all(axis=2, keepdims=True)
    expected = numpy.concatenate([values, numpy.where(key, 0, 65535)], axis=2).astype('<u2')
    put('rgb16_key.png', png(values, 16, 2, before=chunk(b'tRNS', struct.pack('>HHH', 65535, 0, 65535))),
        expected)
    # what says something about the pixels, and is not asked
    values = draw(3, 4, 3, 255)
    noise = (chunk(b'gAMA', struct.pack('>I', 100000)) + chunk(b'cHRM', struct.pack('>8I', *range(1, 9))) +
             chunk(b'iCCP', b'x\0\0' + zlib.compress(bytes(64))) + chunk(b'pHYs', bytes(9)) +
             chunk(b'tEXt', b'Title\0text') + chunk(b'sBIT', b'\1\1\1') + chunk(b'quUx', b'whatever'))
    put('chunks.png', png(values, 8, 2, before=noise, extra=chunk(b'tIME', bytes(7))), values.astype('u1'))


def exif(order, orientation):
    two, four = ('<H', '<I') if order == 'II' else ('>H', '>I')
    entry = (struct.pack(two, 0x0112) + struct.pack(two, 3) + struct.pack(four, 1) +
             struct.pack(two, orientation) + bytes(2))
    other = struct.pack(two, 0x0100) + struct.pack(two, 4) + struct.pack(four, 1) + struct.pack(four, 6)
    return (b'Exif\0\0' + order.encode() + struct.pack(two, 42) + struct.pack(four, 8) + struct.pack(two, 2) +
            other + entry + bytes(4))


def make_jpeg():
    y, x = numpy.mgrid[:21, :30]
    waves = numpy.stack([127 + 100 * numpy.sin(x / 5 + c) * numpy.cos(y / (4 + c)) for c in range(3)], axis=2)
    picture = Image.fromarray(waves.astype('u1'))

    def jpeg(name, image, **options):
        data = io.BytesIO()
        image.save(data, 'JPEG', optimize=True, **options)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data.getvalue())))
        expected = numpy.asarray(upright)
        if expected.ndim == 2:
            expected = expected[..., None]
        put(name, data.getvalue(), None if image.mode == 'CMYK' else expected)

    jpeg('plain.jpg', picture, quality=90, subsampling=0)
    jpeg('subsampled.jpg', picture, quality=90, subsampling=2)
    jpeg('progressive.jpg', picture, quality=90, subsampling=0, progressive=True)
    jpeg('grey.jpg', picture.convert('L'), quality=90)
    jpeg('grey_progressive.jpg', picture.convert('L'), quality=90, progressive=True)
    jpeg('cmyk.jpg', picture.convert('CMYK'), quality=90)
    for orientation in range(1, 9):
        jpeg('turned%d.jpg' % orientation, picture, quality=90, subsampling=0,
             exif=exif('MM' if orientation % 2 else 'II', orientation))


make_png()
make_jpeg()
