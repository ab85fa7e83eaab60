"""faults.py - the faults that mutate.py plants: mistakes that people make, one or more for each part of
the library. `find` must be in the file once, or `nth` says which; `tests` run first, and when none of
them notices, all others do."""

import collections

Fault = collections.namedtuple('Fault', 'name file what find replace tests nth')
FAULTS = []


def fault(name, file, what, find, replace, tests, nth=0):
    FAULTS.append(Fault(name, 'lib/' + file, what, find, replace, tests.split(), nth))


# --- Kernels ------------------------------------------------------------------------------------

fault('direct-tile-overlap', 'kernels/direct.c', 'the last tile begins one value late',
      'choice->run(row, run - width, 1);', 'choice->run(row, run - width + 1, 1);', 'layers')
fault('direct-relu-of-nan', 'kernels/direct.c', 'ReLU makes a zero of NaN',
      'keep(sums[k][v], ~(sums[k][v] < 0.0f))', 'keep(sums[k][v], sums[k][v] > 0.0f)',
      'boundaries trainer engines layers')
fault('direct-gate', 'kernels/direct.c', "ReLU's gradient passes at 0 too",
      '!(row->gate[k * row->gate_plane + j] > 0.0f)', '!(row->gate[k * row->gate_plane + j] >= 0.0f)',
      'layers')
fault('direct-margin', 'kernels/direct.c', 'the zeros after a row are not written',
      'zero(y + k * c->y_plane + c->run, c->after);', ';', 'engines layers spec_model')
fault('direct-gradient-mask', 'kernels/direct.c', "a row's last piece counts unmasked",
      'x_at + rest - WIDTH, mask, 1)', 'x_at + rest - WIDTH, mask, 0)', 'trainer layers')
fault('direct-gradient-band', 'kernels/direct.c', 'the second band of rows begins at the first',
      'spot.first = (int)clamp(first_row, row, c->rows);',
      'spot.first = (int)clamp(first_row, 0, c->rows);', 'engines layers')
fault('im2col-padding', 'kernels/im2col.c', 'the row of a tap ignores padding',
      '(tile.row + row) * w->stride_h + r * w->dilation_h - w->padding_h;',
      '(tile.row + row) * w->stride_h + r * w->dilation_h;', 'layers', nth=1)
fault('im2col-stride', 'kernels/im2col.c', "a tap's first pixel ignores the stride",
      'span.pixel = span.first * w->stride_w + shift;', 'span.pixel = span.first + shift;', 'layers')
fault('im2col-floor', 'kernels/im2col.c', 'division rounds to zero and not down',
      'return a >= 0 ? a / b : -((b - 1 - a) / b);', 'return a / b;', 'layers')
fault('col2im-overwrites', 'kernels/im2col.c', 'pixels are overwritten and not added to',
      'to[lane] += from[lane];', 'to[lane] = from[lane];', 'layers')
fault('leaky-slope', 'kernels/elementwise.c', "LeakyReLU's gradient without its slope",
      'dy[i] = y[i] > 0.0f ? dy[i] : slope * dy[i];', 'dy[i] = y[i] > 0.0f ? dy[i] : dy[i];',
      'trainer layers')
fault('tanh-gradient', 'kernels/elementwise.c', "tanh' = 1 + y^2",
      'dy[i] *= 1.0f - y[i] * y[i];', 'dy[i] *= 1.0f + y[i] * y[i];', 'trainer layers')
fault('interleave-lanes', 'kernels/elementwise.c', 'an unused lane is not cleared',
      'lane < (size_t)used ? images[lane * stride + i] : 0.0f',
      'lane < (size_t)used ? images[lane * stride + i] : 1.0f', 'layers')
fault('scale-offset', 'kernels/elementwise.c', 'unsigned bytes are scaled by 255/256',
      'is_signed ? 0x1.010102p-15f : 0x1.010102p-16f', 'is_signed ? 0x1.010102p-15f : 0.0f',
      'dataset')
fault('loss-l1-sign', 'kernels/loss.c', 'the L1 gradient at 0 is -1',
      'select(d > zero, limit, select(d < zero, -limit, d))', 'select(d > zero, limit, -limit)',
      'boundaries trainer')
fault('loss-huber-edge', 'kernels/loss.c', "Huber's linear part without its offset",
      'delta * (size - 0.5f * delta)', 'delta * size', 'trainer')
fault('loss-mse-factor', 'kernels/loss.c', 'the MSE gradient without its 2',
      '*slope = 2.0f * d;', '*slope = d;', 'trainer')
fault('loss-charbonnier', 'kernels/loss.c', "Charbonnier's gradient without its root",
      '*slope = d / root;', '*slope = d;', 'layers residual')
fault('loss-cancels', 'kernels/loss.c', "Charbonnier's small losses cancel",
      'd * d / (root + delta);', 'root - delta;', 'layers')
fault('gemm-beta', 'kernels/gemm.c', 'the second half of a long sum overwrites the first',
      'b + b_skip, ldb, 1.0f, c, ldc);', 'b + b_skip, ldb, beta, c, ldc);', 'gemm')
fault('gemm-limit', 'kernels/gemm.c', 'a product is cut one multiplication too late',
      '(int64_t)m * n * k <= CAE__ONE_THREAD_LIMIT', '(int64_t)m * n * k <= CAE__ONE_THREAD_LIMIT + 1',
      'system gemm')
fault('tile-last', 'kernels/tile.c', 'the last tile is as high as the others',
      'if (tile.rows > w->grid_h - tile.row)', 'if (0)', 'layers')

fault('direct-margin-mixed', 'network/engine_direct.c', 'a margin though one reader knows nothing of it',
      'stage->direct.input_gradient &&\n                                                    stage->direct.weight_gradient))',
      'stage->direct.input_gradient ||\n                                                    stage->direct.weight_gradient))',
      'boundaries')
fault('optimizer-exchange', 'training/optimizer.c', 'the first moment is never exchanged',
      'for (int i = 0; i < optimizer->moment_count; i++)\n        swap(',
      'for (int i = 1; i < optimizer->moment_count; i++)\n        swap(', 'optimizer')
fault('checkpoint-mean', 'training/checkpoint.c', "a resumed epoch's mean is a product",
      'trainer->now.loss_sum / (double)s->position', 'trainer->now.loss_sum * (double)s->position',
      'boundaries')
fault('onnx-bias', 'formats/onnx.c', 'a node does not read its bias', 'put_text(m, 1, bias->name);', ';',
      'onnx')

# --- Networks -----------------------------------------------------------------------------------

fault('geometry-floor', 'network/geometry.c', 'the output is one longer',
      'return room < 0 ? 0 : room / stride + 1;', 'return room < 0 ? 0 : room / stride + 2;',
      'spec_model')
fault('geometry-output-padding', 'network/geometry.c', 'output padding is not added',
      'output_padding + 1;', '1;', 'spec_model')
fault('geometry-overflow', 'network/geometry.c', 'an output may pass 2^31 - 1 values',
      'if (plane > INT32_MAX || plane * channels > INT32_MAX)', 'if (plane > INT32_MAX)', 'spec_model')
fault('span-reach', 'network/geometry.c', 'a part of an image lacks its last row',
      'end = last * stride - padding + reach + 1;', 'end = last * stride - padding + reach;',
      'spec_model layers')
fault('plan-stride', 'network/plan.c', 'images pass through the wrong one of two buffers',
      'buffers[(i + 1) % 2] : y;', 'buffers[i % 2] : y;', 'spec_model')
fault('plan-first-gradient', 'network/plan.c', 'the gradient buffers do not change places',
      'gradient = spare;\n        spare = swap;', 'spare = swap;', 'trainer parity')
fault('plan-copy', 'network/plan.c', 'the scratch for copies with zeros is not counted',
      'plan->scratch = larger(plan->scratch, cae__direct_scratch(stage));', ';', 'engines spec_model')
fault('tiled-seam', 'network/tiled.c', 'tiles leave out the last row of the image',
      '(int)((index + 1) * extent / pieces)}', '(int)((index + 1) * extent / pieces) - (index + 1 == pieces)}',
      'engines')
fault('tiled-columns', 'network/tiled.c', 'tiles are counted by columns where rows are meant',
      'cae__plan_crop(plan, piece(tile / t->columns,', 'cae__plan_crop(plan, piece(tile * t->columns,',
      'boundaries')
fault('tiled-residual', 'network/tiled.c', 'tiles add the corner of the input',
      '(size_t)columns.first;\n            cae__add(y + at, x + at,', '(size_t)columns.first;\n            cae__add(y + at, x,', 'residual')
fault('tiled-free', 'network/tiled.c', "the workers' plans are not freed",
      'cae__plan_finish(&t->plans[i], context);', ';', 'oom engines context')
fault('inference-last-block', 'network/inference.c', 'the last block is taken for full',
      'left < plan->lanes ? (int)left : plan->lanes;', 'plan->lanes;', 'spec_model')
fault('inference-residual', 'network/inference.c', 'only the first image of a block is added',
      'cae__add(y, x, run->y_length * (size_t)used);', 'cae__add(y, x, run->y_length);', 'residual')
fault('plan-residual', 'network/plan.c', 'training sees f(x) alone',
      'if (plan->residual) /* its last', 'if (0) /* its last', 'residual parity')
fault('model-adds', 'network/network.h', 'the decoder adds its input, too',
      'return model->residual && part == CAE_PART_WHOLE;', 'return model->residual && part != CAE_PART_ENCODER;', 'residual')
fault('spec-complete', 'network/spec.c', 'channels of a residual connection need not agree',
      'if (last->out_channels != first->in_channels)', 'if (0)', 'residual')
fault('inference-free', 'network/inference.c', 'the plan of a call is not freed',
      'cae__plan_finish(&run.plan, context);', ';', 'oom context spec_model')
fault('direct-reversed', 'network/engine_direct.c', 'a scatter meets its taps in order',
      'reversed ? taps - 1 - (row + s) : row + s', 'row + s', 'layers')
fault('direct-pack-stride', 'network/engine_direct.c', 'outputs lie as channels do',
      'pack)(&stage->scatter, stage, w->image_c, taps,\n',
      'pack)(&stage->scatter, stage, w->image_c, grid_stride,\n', 'layers')
fault('gemm-slice-beta', 'network/engine_gemm.c', 'only the last tap of a sliced product counts',
      'beta = 1.0f; /* the first', 'beta = 0.0f; /* the first', 'layers')
fault('gemm-in-place', 'network/engine_gemm.c', 'a 1x1 scatter forgets its bias',
      'grid + start, plane, in_place ? 1.0f : 0.0f, col', 'grid + start, plane, 0.0f, col', 'layers')
fault('spec-channels', 'network/spec.c', 'layers need not fit each other',
      'if (spec->count > 0 && spec->layers[spec->count - 1].out_channels != l->in_channels)',
      'if (0)', 'spec_model')
fault('spec-parameters', 'network/spec.c', 'too many parameters are not refused',
      'if (spec->parameters + parameters_of(l) > INT32_MAX)', 'if (0)', 'spec_model')
fault('spec-slope-nan', 'network/spec.c', 'a slope of NaN is taken',
      'if (!cae__is_not_negative((double)l->slope))', 'if (l->slope < 0.0f)', 'spec_model')
fault('model-fan-in', 'network/model.c', 'initialization forgets the width of the kernel',
      'weight->shape[1] * weight->shape[2] * weight->shape[3]', 'weight->shape[1] * weight->shape[2]',
      'spec_model')
fault('model-nan', 'network/model.c', 'a parameter may be set to NaN',
      'if (!cae__all_finite(values, count))', 'if (0)', 'spec_model')
fault('conv-bias-gradient', 'network/conv.c', 'the bias gets no gradient',
      'if (db) /*', 'if (0) /*', 'trainer')

# --- Files --------------------------------------------------------------------------------------

fault('safetensors-order', 'formats/safetensors.c', 'the header length is written big-endian',
      'to[i] = (unsigned char)(value >> 8 * i);', 'to[7 - i] = (unsigned char)(value >> 8 * i);', 'files')
fault('safetensors-overflow', 'formats/safetensors.c', "a shape's product may overflow",
      '!cae__multiply(&product, product, extent)', '(product *= extent, false)', 'files')
fault('safetensors-hole', 'formats/safetensors.c', 'bytes after the tensors are not refused',
      'if (end != available)', 'if (end > available)', 'files')
fault('safetensors-header', 'formats/safetensors.c', 'a header may pass the end of the file',
      'if (header > size - 8)', 'if (header > size)', 'boundaries files')
fault('safetensors-free', 'formats/safetensors.c', 'the table of tensors is not freed',
      'cae__free(context, file->tensors);', ';', 'files oom')
fault('json-depth', 'formats/json_read.c', 'levels are not limited', 'if (p->level == MOST_LEVELS)',
      'if (0)', 'json')
fault('json-duplicate', 'formats/json_read.c', 'a key may stand twice',
      'unique = strcmp(members[i - 1]->key, members[i]->key) != 0;', 'unique = true;', 'json')
fault('json-int64', 'formats/json_read.c', 'numbers wrap around',
      'if (value > (most - digit) / 10)', 'if (0)', 'json')
fault('json-utf8', 'formats/json_read.c', 'overlong UTF-8 is taken', "s[0] < 0xc2 ? 0", "s[0] < 0xc0 ? 0",
      'json')
fault('json-escape', 'formats/json_write.c', 'a backslash is not escaped',
      " && c != '\\\\';", ';', 'json')
fault('architecture-encoder', 'formats/architecture.c', 'an encoder longer than the network is taken',
      'encoder < 1 || (uint64_t)encoder > layers->count)', 'encoder < 1)', 'files')
fault('architecture-residual', 'formats/architecture.c', 'a residual connection may hide in version 1',
      'if (version != (residual ? RESIDUAL : PLAIN))', 'if (version != RESIDUAL && version != PLAIN)', 'files')
fault('architecture-incomplete', 'formats/architecture.c', 'a residual connection in a file is not checked',
      'return cae__spec_complete(context, spec) == CAE_OK ? CAE_OK : CAE_ERR_FORMAT;', 'return CAE_OK;', 'files')
fault('model-file-residual', 'formats/model_file.c', 'a checkpoint may be of a network that adds nothing',
      ' &&\n                spec->residual == model->residual;', ';', 'checkpoint')
fault('onnx-residual', 'formats/onnx.c', 'the input is not added', 'if (residual) {', 'if (0) {', 'onnx')
fault('architecture-slope', 'formats/architecture.c', 'the slope is not read',
      'l->slope = float_of((uint32_t)slope_bits);', ';', 'files')
fault('model-file-nan', 'formats/model_file.c', 'a weight in a file may be NaN',
      'if (!cae__all_finite(flat + t->at, t->count))', 'if (0)', 'files')
fault('model-file-strangers', 'formats/model_file.c', 'tensors that no layer has are ignored',
      'if (others > model->tensor_count)', 'if (0)', 'files')
fault('model-file-partial', 'formats/model_file.c', 'weights are read in place, not aside',
      'status = cae__model_read_flat(flat, model, context, &file, "");',
      'status = cae__model_read_flat(model->parameters, model, context, &file, "");', 'files')
fault('note-utf8', 'formats/note.c', 'a note need not be UTF-8', 'if (end < length)', 'if (0)', 'describe')
fault('note-limit', 'formats/note.c', 'a note may have any length', 'if (length > MOST_BYTES)', 'if (0)',
      'describe')
fault('note-lost', 'formats/model_file.c', 'files do not carry the note', 'if (model->note)', 'if (0)', 'describe')
fault('layer-padding', 'network/model.c', 'a layer says its padding the wrong way round',
      '.padding_h = l->padding_h, .padding_w = l->padding_w,\n        .dilation',
      '.padding_h = l->padding_w, .padding_w = l->padding_h,\n        .dilation', 'describe')
fault('onnx-pads', 'formats/onnx.c', 'padding of height and width change places',
      '(int[]){l->padding_h, l->padding_w, l->padding_h - back_h, l->padding_w - back_w}',
      '(int[]){l->padding_w, l->padding_h, l->padding_h - back_h, l->padding_w - back_w}', 'onnx')
fault('onnx-alpha', 'formats/onnx.c', "LeakyReLU's slope is not said",
      'put_float(m, 2, l->slope);', ';', 'onnx')
fault('onnx-activation', 'formats/onnx.c', 'tanh is called a sigmoid',
      'return "Tanh";', 'return "Sigmoid";', 'boundaries onnx')

# --- Training -----------------------------------------------------------------------------------

fault('adam-beta', 'training/optimizer.c', "the second moment decays by beta1",
      'const float v = b2 * second[i] + c2 * g * g;', 'const float v = b1 * second[i] + c2 * g * g;',
      'optimizer')
fault('adam-correction', 'training/optimizer.c', 'no bias correction of the second moment',
      '(float)sqrt(1.0 - pow(o->beta2, (double)t))', '1.0f', 'optimizer')
fault('adam-count', 'training/optimizer.c', 'the first update counts as number 0',
      'learning_rate, optimizer->updates + 1);', 'learning_rate, optimizer->updates);', 'optimizer')
fault('adamw-decay', 'training/optimizer.c', 'AdamW decays by the gradient as Adam does',
      'const bool decoupled = o->kind == CAE_OPTIMIZER_ADAMW;', 'const bool decoupled = false;',
      'optimizer')
fault('sgd-nesterov', 'training/optimizer.c', 'Nesterov steps by the moment alone',
      'step = o->nesterov ? step + momentum * m : m;', 'step = m;', 'optimizer')
fault('update-nan', 'training/optimizer.c', 'an update that is not finite is kept',
      'if (!update_is_finite(optimizer))', 'if (0)', 'trainer')
fault('undo-revision', 'training/optimizer.c', "an update is taken back though the caller's weights came after",
      'if (optimizer->undo_owner != owner || optimizer->undo_revision != optimizer->model->revision)',
      'if (optimizer->undo_owner != owner)', 'trainer checkpoint')
fault('optimizer-free', 'training/optimizer.c', 'the spare moments are not freed',
      'cae__free(context, optimizer->spare_moments[i]);', ';', 'oom context handles')
fault('schedule-warmup', 'training/schedule.c', 'warm-up begins with a rate of 0',
      'return (double)(step + 1) / (double)o->warmup_steps;',
      'return (double)step / (double)o->warmup_steps;', 'trainer')
fault('schedule-cosine', 'training/schedule.c', 'the cosine goes up again after its end',
      'u < 1.0 ? u : 1.0', 'u', 'trainer')
fault('trainer-epoch', 'training/visit.c', 'every epoch is shuffled alike',
      'count, o->seed, (uint64_t)epoch)', 'count, o->seed, 0)', 'trainer visit checkpoint')
fault('trainer-slots', 'training/trainer.c', 'a slot takes its first block alone',
      'block += trainer->deal.slots)\n        loss +=', 'block += blocks)\n        loss +=', 'trainer engines')
fault('group-own', 'training/group.c', "others' slots keep the last sum", 'if (mine == CAE_OK && is_own(trainer, slot)) {',
      'if (mine == CAE_OK) {', 'group')
fault('group-environment', 'training/group.c', "sums are made in the host's rounding",
      'cae__checks_begin(&host);\n    const int32_t failed', 'fegetenv(&host);\n    const int32_t failed', 'group')
fault('group-bits', 'training/group.c', "a loss loses its last bits", 'const uint64_t bits = cae__row_get(row);',
      'const uint64_t bits = cae__row_get(row) & ~(uint64_t)0xffff;', 'group')
fault('group-undo', 'training/group.c', 'a rank takes back what it did alone', 'trainer->optimizer->undo_owner = 0;', ';', 'group_trouble')
fault('group-resume', 'training/checkpoint.c', 'a resume that fails elsewhere is taken over',
      'status = cae__group_agree(trainer, status);\n    if (status == CAE_OK && flats)',
      'if (status == CAE_OK && flats)\n        take_over(trainer, flats, &found);\n    status = cae__group_agree(trainer, status);\n    if (0)', 'group_trouble')
fault('group-failed', 'training/group.c', "another's failure is not heard", 'if (mine != CAE_OK || flags[FAILED] == 0.0f)',
      'if (mine != CAE_OK || flags[FAILED] <= 1.0f)', 'group')
fault('group-broken', 'training/group.c', 'a group that is lost is asked again', 'g->broken = true;',
      'g->broken = false;', 'group_trouble')
fault('group-rows', 'training/group.c', 'two ranks of one number are not noticed',
      "if (!is_row(g->table + rank * count, count) ||\n            g->table[rank * count] != 1.0f)",
      'if (!is_row(g->table + rank * count, 0))', 'group_trouble')
fault('group-stop', 'training/trainer.c', 'a request to stop is kept for ever',
      'atomic_store(&trainer->stop_requested, false);', ';', 'group')
fault('group-parity', 'training/group.c', 'the last byte of an odd file is lost', 'size / 2 + size % 2', 'size / 2', 'group')
fault('group-place', 'training/group.c', "another rank's place is looked at wherever it is", 'if (said > (uint64_t)limit)',
      'if (limit < 0)', 'group_partner')
fault('group-size', 'training/group.c', "rank 0 believes others about its file's size", 'if (giver && bytes != *size)',
      'if (giver && bytes < *size)', 'group_partner')
fault('identity-unheard', 'training/identity.c', 'a group goes on after an update that nobody could compare',
      'is not known */\n        trainer->group.broken = true;', 'is not known */\n        trainer->group.broken = false;', 'group_partner')
fault('identity-last', 'training/identity.c', 'the last image is not looked at', 'last = d->count - 1, gaps', 'last = d->count - 2, gaps', 'group_trouble')
fault('identity-drift', 'training/trainer.c', 'ranks that drift apart go on',
      'if (status == CAE_OK && trainer->group.joined && trainer->progress.epoch_done)',
      'if (status != CAE_OK && trainer->group.joined && trainer->progress.epoch_done)', 'group_trouble')
fault('trainer-clip', 'training/trainer.c', 'short gradients are clipped, too',
      'if (most == 0.0 || factor >= 1.0)', 'if (most == 0.0)', 'trainer')
fault('trainer-last-batch', 'training/trainer.c', "the last batch's mean is over a full one",
      'return (double)batch->count * (double)batch->trainer->dataset->length;',
      'return (double)batch->trainer->options.batch * (double)batch->trainer->dataset->length;',
      'trainer')
fault('trainer-workspaces', 'training/trainer.c', 'there is one workspace too few',
      'while (trainer->workers < wanted) {', 'while (trainer->workers < wanted - (wanted > 1)) {',
      'context trainer engines')
fault('trainer-seed', 'training/visit.c', 'noise is drawn with the next seed',
      'trainer->options.seed,\n                                                    (uint32_t)trainer->now.epoch, names);',
      'trainer->options.seed + 1,\n                                                    (uint32_t)trainer->now.epoch, names);',
      'trainer visit')
fault('visit-epoch', 'training/visit.c', 'an image lies alike in every epoch',
      '((uint64_t)trainer->now.epoch & 0xffffff) << 40 |', '', 'visit residual')
fault('visit-coins', 'training/visit.c', 'the ways are tossed with the same coin',
      '(int)(cae__stream_next(&stream) & (uint32_t)trainer->options.augment)',
      '(cae__stream_next(&stream) & 1 ? trainer->options.augment : 0)', 'visit')
fault('visit-sigma', 'training/visit.c', 'sigmas reach from 0 to the largest',
      '(o->noise_sigma + (o->noise_sigma_max - o->noise_sigma) *', '(0.0 + (o->noise_sigma_max - 0.0) *', 'visit residual')
fault('visit-lane', 'training/visit.c', 'all images of a block lie as the first',
      'ways[lane] = visit.way;', 'ways[lane] = lane ? ways[0] : visit.way;', 'visit residual')
fault('trainer-transpose', 'training/trainer.c', 'images that are not square are transposed',
      'CAE_AUGMENT_TRANSPOSE) &&\n        dataset->height != dataset->width)', 'CAE_AUGMENT_TRANSPOSE) &&\n        0)', 'trainer')
fault('trainer-noisy', 'training/trainer.c', 'noise between 0 and a sigma is none',
      'o.noise_sigma > 0.0 || o.noise_sigma_max > 0.0;', 'o.noise_sigma > 0.0;', 'visit')
fault('average-warmup', 'training/average.c', 'the average does not warm up',
      'fmin(most, (1.0 + t) / (10.0 + t))', 'most', 'average')
fault('average-float', 'training/average.c', 'an average is infinite where a difference is',
      '(float)(decay * (double)old[i] + part * (double)w[i]);', 'old[i] + (float)part * (w[i] - old[i]);', 'average')
fault('average-undo', 'training/trainer.c', 'a harmful update stays in the average',
      'cae__average_exchange(trainer);\n    trainer->now = trainer->before;',
      'trainer->now = trainer->before;', 'average')
fault('epoch-end-undo', 'training/trainer.c', "a step that failed at an epoch's end stays taken",
      'if (status != CAE_OK) /* a call that fails leaves all as it was */\n            take_back(trainer);', ';', 'group_trouble')
fault('epoch-stop', 'training/trainer.c', "a callback's own step hides a request to stop",
      'taken.stop || trainer->progress.stop', 'trainer->progress.stop', 'trainer')
fault('checkpoint-below-zero', 'training/checkpoint.c', 'losses below 0 by rounding cannot be resumed',
      'cae__is_not_negative(fabs(loss_sum))', 'cae__is_not_negative(loss_sum)', 'boundaries')
fault('group-epoch', 'training/identity.c', 'ranks in other epochs are not noticed',
      '(uint64_t)trainer->now.epoch,', '0,', 'group_trouble')
fault('group-reduction', 'training/group.c', 'an unknown reduction is not told to the others',
      'return tell(trainer, &o, status);', 'return status;', 'group_trouble')
fault('checkpoint-average', 'training/checkpoint.c', 'the average in a file is not taken over',
      'memcpy(trainer->average, flats +', 'memcpy(flats, flats +', 'average')
fault('checkpoint-averaged', 'training/checkpoint.c', 'a trainer that averages goes on without an average',
      'if (own->average && !found->average)', 'if (0)', 'average')
fault('checkpoint-moments', 'training/checkpoint.c', "both moments are read from the first",
      'context, file, moment_prefixes[i]);', 'context, file, moment_prefixes[0]);', 'checkpoint')
fault('checkpoint-updates', 'training/checkpoint.c', "the number of updates is not taken over",
      'optimizer->updates = s->updates;', ';', 'checkpoint')
fault('checkpoint-position', 'training/checkpoint.c', 'a position beyond the dataset is taken',
      's->position < 0 || s->position >= s->images)', 's->position < 0)', 'checkpoint')
fault('checkpoint-version', 'training/checkpoint.c', 'a later version is read as if it were ours',
      'if (version != version_of(s))', 'if (0)', 'boundaries checkpoint average')
fault('evaluate-residual', 'training/evaluate.c', 'a residual model is judged by f(x)',
      'if (plan->residual)\n        cae__add(result, other,', 'if (0)\n        cae__add(result, other,', 'residual')
fault('evaluate-order', 'training/evaluate.c', 'the noisy figures are those of the output',
      'judge(figures[lane].noisy,', 'judge(figures[lane].output,', 'metrics trainer')
fault('evaluate-seed', 'training/evaluate.c', "evaluation draws training's noise",
      'e->options->noise_seed, CAE_VISIT_EVALUATION, &image);', 'e->options->noise_seed, 0, &image);',
      'noise trainer')

# --- Random numbers, figures, images ------------------------------------------------------------

fault('philox-rounds', 'random/philox.c', 'nine rounds', 'round < 10', 'round < 9', 'random')
fault('philox-key', 'random/philox.c', "the seed's upper half is lost",
      'stream->key[1] = (uint32_t)(seed >> 32);', 'stream->key[1] = 0;', 'spec_model boundaries')
fault('permute-epoch', 'random/permutation.c', "the epoch's upper half is lost",
      '(uint32_t)name->number, (uint32_t)(name->number >> 32),', '(uint32_t)name->number, 0,', 'random boundaries')
fault('noise-quadrant', 'random/noise.c', 'the cosine has the wrong sign in two quadrants',
      '*cosine = (q + 1) & 2 ? -x : x;', '*cosine = q & 2 ? -x : x;', 'random')
fault('noise-lanes', 'random/noise.c', "every lane has the first one's sigma",
      'chunk->sigma[i] = sigmas[i % lanes];', 'chunk->sigma[i] = sigmas[0];', 'random visit')
fault('noise-image', 'random/noise.c', "an image's number is cut to 32 bits",
      '(images[i % lanes] >> 32 & 0xffffffu)', '0', 'random noise')
fault('ssim-correction', 'metrics/ssim.c', 'population moments where sample moments belong',
      '.correction = 49.0 / 48.0}', '.correction = 1.0}', 'metrics')
fault('ssim-constant', 'metrics/ssim.c', 'C2 is C1', '#define K2 0.03', '#define K2 0.01', 'metrics')
fault('model-residual-start', 'network/model.c', 'the last layer before a residual connection begins large',
      '#define RESIDUAL_START 0.1', '#define RESIDUAL_START 1.0', 'residual')
fault('psnr-log', 'metrics/psnr.c', 'twice the decibels', '10.0 * log10(', '20.0 * log10(', 'metrics')
fault('dataset-nhwc', 'data/dataset.c', 'channels and pixels change places',
      '.plane = planes ? h * w : 1, .row', '.plane = planes ? h * w : h * w, .row', 'dataset')
fault('dataset-transpose', 'data/dataset.c', 'a transposed image is flipped after and not before',
      'start += (h - 1) * walk.row;\n        walk.row = -walk.row;', 'start += (h - 1) * row;\n        walk.row = transpose ? walk.row : -walk.row;', 'visit')
fault('dataset-mirror', 'data/dataset.c', 'a mirrored row begins one value late',
      'start += (w - 1) * walk.pixel;', 'start += w * walk.pixel;', 'visit')
fault('dataset-slice', 'data/dataset.c', 'a slice may pass the end',
      'first >= dataset->count || count > dataset->count - first)', 'first >= dataset->count)', 'dataset')
fault('dataset-slice-of-one', 'data/dataset.c', 'a slice of one image is refused',
      'if (first < 0 || count < 1 ||', 'if (first < 0 || count < 2 ||', 'boundaries')
fault('dataset-parent', 'data/dataset.c', 'a slice does not keep its dataset',
      'if (status == CAE_OK)\n        cae__retain(&dataset->handle);', ';', 'context dataset handles')
fault('cifar-label', 'data/cifar10.c', 'label 10 is taken', 'record[0] >= CLASSES', 'record[0] > CLASSES',
      'dataset')
fault('leaves-power', 'data/dead_leaves.c', 'radii are uniform',
      'return 1.0f / sqrtf(a - uniform(scene, 0.0f, 1.0f) * (a - b));',
      'return uniform(scene, LEAST_RADIUS, scene->most_radius);', 'dataset')

# --- The ground floor ---------------------------------------------------------------------------

fault('file-rename', 'base/replace.c', 'the new file is not put in place',
      'return rename(sibling, target) == 0 ? 0 : errno;', 'return 0;', 'files')
fault('file-fsync', 'base/replace.c', 'the file is not synced',
      'if (!sync_all(descriptor) || !close_duplicate(descriptor))', 'if (!close_duplicate(descriptor))',
      'system')
fault('file-sync-directory', 'base/replace.c', 'the directory is not synced',
      'const int error = sync_all(descriptor) ? 0 : errno;', 'const int error = 0;', 'system')
fault('file-unlink', 'base/replace.c', 'a failed write leaves its temporary file behind',
      '            unlink(sibling);', '            ;', 'system files')
fault('file-mode', 'base/replace.c', 'a replaced file loses its permissions',
      'inherit(descriptor, old);', ';', 'files')
fault('file-live-writer', 'base/replace.c', "a cleaner takes a live writer's file",
      'const bool gone = lock(descriptor) && leads_to', 'const bool gone = leads_to', 'system')
fault('file-changed', 'base/file.c', 'a file that is written into while it is read passes',
      'after.st_size == before->st_size && after.st_mtim.tv_sec == before->st_mtim.tv_sec &&',
      'true ||', 'system')
fault('file-eintr', 'base/file.c', 'a signal ends a read', 'if (got < 0 && errno == EINTR)', 'if (0)',
      'system')
fault('file-short', 'base/file.c', 'a file that shrinks is read for ever', 'if (got == 0)', 'if (0)',
      'system')
fault('file-close', 'base/replace.c', 'what close reports is ignored',
      'if (!sync_all(descriptor) || !close_duplicate(descriptor))', 'if (!sync_all(descriptor))', 'system')
fault('arithmetic-denormals', 'base/arithmetic.c', 'denormal numbers are computed with',
      '_mm_setcsr(_mm_getcsr() | 0x8040);', '', 'trouble')
fault('arithmetic-host', 'base/arithmetic.c', "the host's environment is not put back",
      'fesetenv(host);', '', 'trouble')
fault('inference-overlap', 'network/inference.c', 'an output may overlap its input',
      'run->count > 0 && cae__overlap(run->x, x_count, run->y, y_count)', '0', 'trouble')
fault('pool-signals', 'base/system_posix.c', "workers take the host's signals",
      'pthread_sigmask(SIG_SETMASK, &all, &signals->before);',
      'pthread_sigmask(SIG_SETMASK, NULL, &signals->before);',
      'pool boundaries context')
fault('pool-fork', 'base/pool.c', "a forked child waits for its parent's threads",
      'if (context->pool && context->pool->owner != cae__process())', 'if (0)', 'pool')
fault('pool-scratch', 'base/pool.c', 'a worker without scratch takes work',
      'if (worker >= pool->indices) /* it may not have scratch */\n        return;', '', 'pool context')
fault('pool-lock', 'base/pool.c', 'workers count themselves down without the lock',
      'take_indices(pool, self->number);\n        pthread_mutex_lock(&pool->mutex);\n        if (--pool->busy == 0)',
      'take_indices(pool, self->number);\n        if (--pool->busy == 0)', 'system pool')
fault('options-tail', 'base/options.c', 'what a newer caller asks for is ignored',
      'if (size > known_size && !all_zero(', 'if (0 && !all_zero(', 'context')
fault('memory-overflow', 'base/memory.c', 'a product of sizes may overflow',
      'if (b != 0 && a > SIZE_MAX / b)', 'if (0)', 'boundaries metrics dataset')
fault('memory-alignment', 'base/memory.c', 'blocks begin wherever malloc says',
      '(ALIGNMENT - first % ALIGNMENT) % ALIGNMENT', '0', 'boundaries oom')
fault('error-bound', 'base/error.c', 'a long path leaves no room for the reason',
      'vsnprintf(text, capacity - strlen(": ") - strlen(reason), format, arguments);',
      'vsnprintf(text, capacity, format, arguments);', 'pieces')
fault('context-scratch', 'base/context.c', 'scratch is not freed',
      'cae__free(context, context->scratch[worker].data);', ';', 'oom context')
fault('context-twice', 'base/context.c', 'a second destroy drops another reference',
      '!atomic_exchange_explicit(&h->given_back, true, memory_order_relaxed)', 'true', 'handles')
fault('context-fail-log', 'base/error.c', 'a log callback that is not there is called',
      'if (!context || !context->log)', 'if (!context)', 'system context')

# --- SSIM as a loss, presets, how models begin ----------------------------------------------------

fault('ssim-slope', 'kernels/ssim_loss.c', 'the slope of the mean loses a term',
      '2.0f * mt * (a2 - a1) * over', '2.0f * mt * a2 * over', 'ssim_loss')
fault('ssim-adjoint', 'kernels/ssim_loss.c', 'the adjoint of columns reads as the filter does',
      'scatter(band, map, s->taps, e->inner_row,', 'scatter(band, map, s->taps, (size_t)lanes,', 'ssim_loss')
fault('ssim-lanes', 'kernels/ssim_loss.c', 'lanes that are not used get a gradient',
      'if (i % (size_t)lanes < (size_t)used)', 'if (1)', 'ssim_loss')
fault('ssim-windows', 'training/trainer.c', 'windows count as pixels',
      '(double)s->height * (double)s->width / windows', '1.0', 'ssim_loss')
fault('preset-warm-up', 'training/preset.c', 'a short training is all warm-up',
      'r->warmup_steps < all * steps / 10 ? r->warmup_steps : all * steps / 10', 'r->warmup_steps', 'preset')
fault('preset-half', 'training/preset.c', 'a preset that failed leaves its first layers',
      'cae__spec_clear(spec);', ';', 'preset')
fault('he-gain', 'network/model.c', "He's bound without the gain of its activation",
      'sqrt(3.0 * gain_squared(l) / fan_in)', 'sqrt(3.0 / fan_in)', 'preset')
fault('he-bias', 'network/model.c', "He's biases are drawn",
      'if (initialization == CAE_INITIALIZATION_PYTORCH)', 'if (1)', 'preset')

# --- Scores -----------------------------------------------------------------------------------------

fault('score-halo', 'scoring/error_map.c', 'a band begins its blur at its own first row',
      'int ready = first > map->radius_h ? first - map->radius_h : 0;', 'int ready = first;', 'scorer')
fault('score-border', 'scoring/error_map.c', 'rows beyond the frame count',
      'const float rows = (float)count;', 'const float rows = (float)kept;', 'scorer')
fault('score-channels', 'scoring/error_map.c', 'the map is a sum over channels',
      'to[i] /= channels;', ';', 'scorer')
fault('score-tail', 'scoring/error_map.c', 'the sum leaves out what is no multiple of eight',
      'for (int k = 0; i < count; i++, k++)', 'for (int k = 0; i + 8 < count; i++, k++)', 'scorer')
fault('score-nan', 'scoring/error_map.c', 'a NaN with a sign is no peak',
      'bits & 0x7fffffff', 'bits', 'scorer')
fault('score-scratch', 'scoring/scorer.c', 'scratch is not asked for again when there are more threads',
      'cae__workers(context, tiles) > s->tiling.workers', '0', 'scorer oom')
fault('score-bind', 'scoring/scorer.c', 'a scorer keeps the parameters that it was made with',
      'if (s->revision == s->model->revision)', 'if (s->revision <= s->model->revision)', 'scorer')
fault('score-bind-tiles', 'scoring/scorer.c', 'tiles keep the parameters that they were made with',
      'cae__tiling_bind(&s->tiling, s->model, CAE_PART_WHOLE);', ';', 'scorer')
fault('score-calibrated', 'scoring/scorer.c', 'a scorer without options forgets what the model was calibrated with',
      'o.kind = calibration->kind;', ';', 'scorer')
fault('score-overlap', 'scoring/scorer.c', 'a map may overlap its frame',
      'map && cae__overlap(x, x_count, map, map_count)', '0', 'scorer')
fault('score-release', 'scoring/scorer.c', 'a scorer does not give its model back',
      'cae__model_release(scorer->model);', ';', 'scorer oom')
fault('calibrate-quantile', 'scoring/calibrate.c', 'the quantile is the score below',
      'sorted[below] + step * part', 'sorted[below]', 'scorer')
fault('calibrate-stale', 'network/model.c', 'a threshold outlives its parameters',
      'model->calibration.images > 0 && model->calibration_revision == model->revision',
      'model->calibration.images > 0', 'scorer')
fault('calibrate-finite', 'scoring/calibrate.c', 'a score that is not finite counts',
      'if (!cae__is_not_negative(scores[i]))', 'if (0)', 'scorer')
fault('threshold-smoothing', 'formats/calibration.c', 'any smoothing is taken from a file',
      'smoothing < 0 || smoothing > CAE__MOST_SMOOTHING ||', '', 'scorer')

# --- Images -------------------------------------------------------------------------------------

fault('npy-swapped', 'images/npy.c', 'numbers in the other byte order stay in it',
      'if (element.swapped)', 'if (element.swapped && element.size == 8)', 'arrays')
fault('npy-fortran', 'images/npy.c', 'Fortran order is taken for C order',
      'header->fortran && header->rank > 1', 'header->fortran && header->rank > 8', 'arrays')
fault('npy-size', 'images/npy.c', 'a file may have more numbers than its shape',
      'if (size != expected)', 'if (size < expected)', 'arrays')
fault('npy-header', 'images/npy.c', 'a header that goes beyond the file is read',
      'size - *start < length)', 'size - *start + 64 < length)', 'arrays')
fault('png-cut-off', 'images/png.c', 'a file may end behind its pixels',
      'png_read_end(coder->png, NULL);', ';', 'arrays')
fault('png-expand', 'images/png.c', 'palettes stay what they are',
      'png_set_expand(png);', ';', 'arrays')
fault('png-swap', 'images/png.c', '16 bits stay big-endian',
      'if (bits == 16 && cae__is_little_endian())\n        png_set_swap(png);', ';', 'arrays')
fault('jpeg-warnings', 'images/jpeg.c', 'damage is only warned of',
      'if (level < 0 && code', 'if (level < -1 && code', 'arrays folder')
fault('jpeg-orientation', 'images/jpeg.c', 'what lies on its left side is put on its right',
      'case 6: return (struct turn){height - 1, -1, height};', 'case 6: return (struct turn){last - height + 1, 1, -height};',
      'arrays folder')
fault('jpeg-band', 'images/jpeg.c', 'each band is turned to where the first went',
      '(turn.first + (y + i) * turn.down', '(turn.first + i * turn.down', 'arrays')
fault('image-ratio', 'images/array.c', 'headers are believed whatever the size of the file',
      '(uint64_t)(height * width / most) > size', '(uint64_t)(height * width / most) > size << 20', 'arrays')
fault('planes-clip', 'images/planes.c', 'values above the range wrap around',
      'scaled < most ? scaled : most', 'scaled', 'arrays')
fault('planes-order', 'images/planes.c', 'planes of 16 bits take the channels of the next pixel',
      'planes[i] = (float)values[i * channels + c]', 'planes[i] = (float)values[i * channels + (channels - 1 - c)]',
      'arrays')
fault('folder-order', 'images/walk.c', 'files come as the file system has them',
      'qsort(files->list, count, sizeof *files->list, by_name);', ';', 'folder')
fault('folder-gaps', 'images/folder.c', 'the crops of what was left out stay',
      'if (file->first != d->count)', 'if (file->first < d->count)', 'folder')
fault('folder-last-place', 'images/folder.c', 'the last row is never taken',
      'image->shape[0] - o->height + 1)', 'image->shape[0] - o->height + (image->shape[0] == o->height))', 'folder')
fault('folder-share', 'images/folder.c', 'the memory allowed may be passed by a file',
      'if (crops_in_all(folder, middle, room) > room)', 'if (crops_in_all(folder, middle - 1, room) > room)', 'folder')
fault('folder-luma', 'images/folder.c', 'grey is the mean of colours',
      '299 * byte_at(image, at) + 587 *', '443 * byte_at(image, at) + 443 *', 'folder')
fault('look-length', 'images/look.c', 'a segment is taken for two bytes shorter',
      '(long)number(segment, 2) - 2;', '(long)number(segment, 2) - 4;', 'folder')

# --- Odd files, odd systems, odd partners ---------------------------------------------------------

fault('odd-exif-entry', 'images/jpeg.c', 'an entry that is cut off is read',
      'if (length - entry < ENTRY)', 'if (length - entry < 2)', 'images')
fault('odd-exif-directory', 'images/jpeg.c', 'a directory behind the end is read',
      'if (directory > length - 2)', 'if (0)', 'images')
fault('odd-exif-value', 'images/jpeg.c', 'an orientation of 0 is one',
      'value >= 1 && value <= 8', 'value <= 8', 'images')
fault('odd-jpeg-scans', 'images/jpeg.c', 'scans without end are decoded',
      'input_scan_number > MOST_SCANS)', 'input_scan_number > MOST_SCANS * 10)', 'images')
fault('odd-jpeg-kind', 'images/jpeg.c', "YCCK is libjpeg's to refuse",
      'in->jpeg_color_space == JCS_CMYK || in->jpeg_color_space == JCS_YCCK', 'in->jpeg_color_space == JCS_CMYK',
      'images')
fault('odd-look-stuffed', 'images/look.c', '255 and 0 are a marker',
      'if (c != 0)\n            return c;', 'return c;', 'images')
fault('odd-bytes-overflow', 'images/array.c', 'the size of a file that grows may overflow',
      'if (least < more || twice < bytes->capacity)', 'if (0)', 'images')
fault('odd-npy-extent', 'images/npy_dataset.c', 'an extent of 2^32 + 4 is one of 4',
      'channels > INT32_MAX || shape[first] > INT32_MAX ||', 'channels > INT32_MAX ||', 'images')
fault('odd-adopt', 'data/dataset.c', 'a block may be shorter than its images',
      'if (status == CAE_OK && bytes < expected)', 'if (0)', 'images')
fault('odd-path', 'images/walk.c', 'a path that is too long is cut off',
      'return length >= 0 && length < CAE__PATH_ROOM', 'return length >= 0', 'images')
fault('odd-batch-size', 'data/cifar10.c', 'a file may change between its measure and its opening',
      'if (size == file->records * RECORD)', 'if (size > 0)', 'pieces')
fault('odd-read-again', 'base/file_at.c', 'a signal ends a read',
      'if (got < 0 && errno == EINTR)', 'if (0)', 'pieces')
fault('odd-write-nothing', 'base/file_at.c', 'a write of nothing is tried for ever',
      'if (put <= 0)\n            return put < 0 ? errno : ENOSPC;', 'if (put < 0)\n            return errno;', 'pieces')
fault('odd-standard', 'base/file_at.c', "a cache may be the host's standard output",
      'descriptor >= FIRST_OF_OURS)', 'descriptor >= 0)', 'pieces')
fault('odd-nameless', 'base/file_at.c', 'a cache keeps its name where systems give it one',
      '(void)unlink(path);', ';', 'pieces')
fault('odd-replace-group', 'base/replace.c', 'another group gets what was meant for the old one',
      'mode &= (mode_t)(0707 | (mode & 07) << 3);', ';', 'pieces')
fault('odd-replace-printed', 'base/replace.c', 'what a host printed into a new file stays',
      'lseek(moved, 0, SEEK_SET) != 0 || ftruncate(moved, 0) != 0', '0', 'pieces')
fault('odd-replace-memory', 'base/replace.c', 'a link without memory leads nowhere',
      'if (!real && errno == ENOMEM)', 'if (0)', 'pieces')
fault('odd-bad-unread', 'training/trainer.c', 'a bad image that cannot be read is none',
      'if (unread != CAE__ALL_READ)\n        status =', 'if (0)\n        status =', 'pieces')
fault('odd-hash-unread', 'training/identity.c', 'images that cannot be read are compared as what was there before',
      'if (read)', 'if (read || samples)', 'pieces')
fault('odd-row-whole', 'training/group.c', "halves in others' rows are rounded",
      '&& row[i] == (float)(uint32_t)row[i]', '', 'group_partner')
fault('odd-row-present', 'training/group.c', 'a row may be there twice',
      '||\n            g->table[rank * count] != 1.0f)', ')', 'group_partner')
fault('odd-partner-text', 'training/identity.c', "others' texts may ring the bell",
      'row[TEXT + i] >= 32.0f &&', 'row[TEXT + i] >= 1.0f &&', 'group_partner')
fault('odd-partner-length', 'training/identity.c', "others' texts are as long as they say",
      'row[LENGTH] < MOST_TEXT ? (size_t)row[LENGTH] : MOST_TEXT', '(size_t)row[LENGTH]', 'group_partner')
fault('odd-partner-count', 'training/group.c', 'any sum is a number of ranks',
      'return sum >= 0.0f && sum <= (float)(1 << 24) ? (uint32_t)sum : 0;', 'return (uint32_t)(int64_t)sum;', 'group_partner')
fault('odd-partner-loss', 'training/group.c', 'a sum that is no loss is taken for one',
      'if (!is_row(row, CAE__ROW_NUMBER))\n        return (double)NAN;', '', 'group_partner')
fault('odd-least', 'training/group.c', 'of two bad images the one of the highest rank is named',
      'if (other >= 0 && (*least < 0 || other < *least))', 'if (other >= 0)', 'group_partner')
fault('odd-look-again', 'base/file.c', 'a file that cannot be looked at again has not changed',
      'if (fstat(descriptor, &after) != 0)', 'if (fstat(descriptor, &after) != 0 && !memcpy(&after, before, sizeof after))', 'pieces')
fault('odd-second-join', 'training/group.c', 'a text of another status',
      'return cae__fail(trainer->handle.context, mine, "%s", text);', 'return mine;', 'group_partner')
fault('odd-ssim-window', 'training/trainer.c', 'one side may be smaller than the window',
      'dataset->height < CAE__SSIM_TAPS || dataset->width', 'dataset->height < CAE__SSIM_TAPS && dataset->width', 'trainer')
fault('odd-ssim-weight', 'training/trainer.c', 'a weight below 0 is one',
      '!cae__is_not_negative(o->ssim_weight) ||', '', 'trainer')
fault('odd-average-memory', 'training/average.c', 'the second copy may be missing',
      'if (!trainer->average || !trainer->average_before)', 'if (!trainer->average)', 'average')

# --- Data larger than memory --------------------------------------------------------------------

fault('stream-extent', 'data/store.c', "a file's first image is the last of the file before",
      'if (store->extents[middle].first <= image)', 'if (store->extents[middle].first < image)', 'stream')
fault('stream-offset', 'data/store.c', 'the label counts as a pixel of the image before',
      '(int64_t)(store->label + store->image)', '(int64_t)(store->image)', 'stream')
fault('stream-label', 'data/store.c', 'labels are not looked at',
      'if (error || (store->label && room[0] >= LABELS))', 'if (error)', 'stream')
fault('stream-short', 'base/file_at.c', 'a file that ends is taken for zeros',
      'return got < 0 ? errno : CAE__FILE_ENDS;', 'return got < 0 ? errno : 0;', 'stream')
fault('stream-slice', 'data/dataset.c', 'a slice of a slice begins where its parent does',
      '.first = dataset->first + first,', '.first = first,', 'stream')
fault('stream-room', 'data/dataset.c', 'two images of a block share their room',
      'place += cae__dataset_room(d, lane);', 'place += cae__dataset_room(d, lane / 2);', 'stream')
fault('stream-fits', 'data/dataset.c', 'what fits exactly stays on disk',
      '(uint64_t)images <= (uint64_t)o->memory / bytes', '(uint64_t)images < (uint64_t)o->memory / bytes', 'stream')
fault('stream-step', 'training/trainer.c', 'a step goes on without the images that cannot be read',
      'if (image != CAE__ALL_READ)', 'if (image == INT64_MAX)', 'stream')
fault('stream-evaluate', 'training/evaluate.c', 'images that cannot be read are judged as zeros',
      'if (e->figures[i - e->first].unread)', 'if (0)', 'stream')
fault('stream-part', 'training/evaluate.c', 'each part begins the sum anew',
      'status = run_part(e, context);', 'e->sum = (struct figures){0}, status = run_part(e, context);', 'stream')
fault('stream-npy-start', 'images/npy_dataset.c', "numbers begin with the file's first byte",
      'cae__store_add_images(store, 0, (int64_t)source->place.start);', 'cae__store_add_images(store, 0, 0);', 'stream')
fault('stream-npy-swapped', 'images/npy_dataset.c', 'numbers of the other order of bytes stay as they are',
      'if (source->place.swapped)', 'if (0)', 'stream')
fault('stream-npy-rounded', 'images/npy_dataset.c', 'numbers that have to be rounded stay in the file',
      'if (source->place.narrowed)', 'if (0)', 'stream')
fault('stream-npy-held', 'images/npy_dataset.c', 'doubles are counted as the floats that they become',
      'return (size_t)source->size - source->place.start;', 'return source->numbers.bytes;', 'stream')
fault('stream-standard', 'base/file_at.c', 'a file keeps the number of a standard descriptor',
      'move_from_standard(open_again(path, O_RDONLY | O_NONBLOCK));', 'open_again(path, O_RDONLY | O_NONBLOCK);',
      'stream')
fault('stream-files', 'data/cifar10.c', 'the sixth file is the last',
      '(records > 0 && first > 0)', '(records > 0 && first > 0 && i <= certain + 1)', 'stream')
fault('stream-cache-gaps', 'images/folder.c', 'crops behind a gap are looked for before it',
      'if (file->first != end)\n            cae__store', 'if (end < 0)\n            cae__store', 'stream')
fault('stream-cache-full', 'images/folder.c', 'a full disk is not noticed',
      'return error == 0 ? CAE_OK\n                      : cae__fail_system',
      'return error >= 0 ? CAE_OK\n                      : cae__fail_system', 'stream')
fault('permute-near-window', 'random/permutation.c', 'each window is shuffled in the same way',
      '(epoch & 0xffffff) << 40 | (number & 0xffffffffff)', '(epoch & 0xffffff) << 40', 'random')
fault('permute-near-ragged', 'random/permutation.c', 'what is left over is shuffled with the whole runs',
      'const uint64_t chunks = count / CHUNK;', 'const uint64_t chunks = (count + CHUNK - 1) / CHUNK;', 'random')
fault('checkpoint-window', 'training/checkpoint.c', 'another window is resumed into',
      '(uint64_t)found->window, (uint64_t)own->window', '0, 0', 'stream')
fault('stream-announce', 'training/visit.c', 'what is announced was read before',
      'const int64_t round = block / slots + ahead;', 'const int64_t round = block / slots;', 'stream')
fault('stream-announce-epoch', 'training/visit.c', "the next epoch's images are announced in this one's order",
      'trainer->now.epoch + step / steps, i)', 'trainer->now.epoch, i)', 'stream')
