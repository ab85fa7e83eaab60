/** @file cae.h
 * The public interface of libcae: convolutional auto-encoders on the CPU.
 *
 * - Order: what a call writes comes first, as in memcpy; then the handle; then what it reads; then
 *   options.
 * - Status: every call that can fail returns a cae_status: 0 done, < 0 failed, > 0 ended early but
 *   valid. The context keeps a text that says what was expected and what was found; a call that got
 *   NULL for its handle has no context to keep one. A failed call leaves its handles as they were;
 *   what it would have written is unspecified. A size that is not what others say is CAE_ERR_SHAPE.
 * - Ownership: create and load calls hand the caller a handle through `out`; give it back with the
 *   matching destroy (NULL is fine), once. On error *out is NULL and nothing was kept. A handle
 *   keeps alive what it was made from, so handles may be destroyed in any order, and from any
 *   thread, as finalizers do, while others of the context are at work. A second destroy is ignored
 *   while something keeps the handle alive, and so is the destroy call of another kind of handle.
 * - Lifetime: arguments are read during the call only, unless the comment says "borrows". An error
 *   text lives until the next call that fails with the same context.
 * - Callbacks are called on the thread that called the library, unless the comment says otherwise.
 *   The progress callback may call anything but destroy on the handles of the call it is made from;
 *   the others may call nothing of their context.
 * - Threads: a context, and the handles made from it, belong to one thread at a time; contexts are
 *   independent. A model that nobody changes may serve many threads at once in the calls that take
 *   a context, each passing its own; so may a dataset, in evaluations and trainers of other
 *   contexts. A forked child may use every handle that its thread might have used.
 * - Floating point: the caller's rounding mode, traps and treatment of denormal numbers neither
 *   change a result nor are changed, and callbacks find them as they are: docs/numerics.md.
 * - Layout: images are float32, NCHW, dense, row-major, unless a comment says otherwise.
 * - Options: structs begin with their size and only ever grow at the end. Fill one with its init
 *   call, then change what you need. NULL options mean all defaults; the comment of a field begins
 *   with its default. In a struct shorter than the library knows (an older header), what is missing
 *   keeps its default; a longer one (a newer header) is accepted while its unknown tail is zero,
 *   and CAE_ERR_OPTIONS otherwise. Result structs need nothing but their size set.
 * - Enumerations travel as int32_t; new values may be added, none is ever reused.
 * - Text is UTF-8, paths are the file system's own bytes; an error text quotes both as they are,
 *   cut where they are long.
 * - Limits: sizes far above use are refused by texts that name the limit. Limits may rise.
 * - Unloading: destroy all contexts before dlclose.
 *
 * What may change between releases, and what never will: docs/abi.md. */
#ifndef CAE_H
#define CAE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined __GNUC__ && !defined _WIN32
#pragma GCC visibility push(default)
#endif

/** @defgroup version Version: constants for the compiler, functions for the library actually loaded
 * @{ */

#define CAE_VERSION_MAJOR 1 /**< of this header */
#define CAE_VERSION_MINOR 1 /**< of this header */
#define CAE_VERSION_PATCH 0 /**< of this header */
#define CAE_ABI_VERSION 1   /**< the soname's number: counts ABI breaks, not releases */

/** Major << 16 | minor << 8 | patch of the loaded library. */
uint32_t cae_version_number(void);

/** The same as text, "1.1.0". Static. */
const char *cae_version_string(void);

/** CAE_ABI_VERSION of the loaded library: for those who load it by its path, where no linker
 * compares sonames. What a program may rely on: the same ABI version as its header's, and a version
 * number that is not smaller. */
uint32_t cae_abi_version(void);

/** One line on how the library was built and what it found, such as "libcae 1.1.0, avx2 kernels,
 * OpenBLAS 0.3.21 Haswell". Copies at most `capacity` bytes with the closing zero; returns the
 * length without it, as snprintf does. */
size_t cae_build_info(char *text, size_t capacity);

/** @} */

/** @defgroup status Status: values are never reused
 * @{ */

typedef int32_t cae_status; /**< one of enum cae_status_code */

/** What came of a call. */
enum cae_status_code {
    CAE_STOPPED = 1,          /**< a callback asked to stop; everything is valid */
    CAE_OK = 0,               /**< done */
    CAE_ERR_ARGUMENT = -1,    /**< a NULL, a size or a value that no call could accept */
    CAE_ERR_MEMORY = -2,      /**< the allocator, or the system, had none */
    CAE_ERR_SHAPE = -3,       /**< sizes that are fine alone and do not fit together */
    CAE_ERR_OPTIONS = -4,     /**< an options struct with a wrong size, or a field out of range */
    CAE_ERR_IO = -5,          /**< the operating system refused: missing, unreadable, full */
    CAE_ERR_FORMAT = -6,      /**< a file that was read and is not what it should be */
    CAE_ERR_NUMERIC = -7,     /**< a loss, gradient, parameter or output that is not finite */
    CAE_ERR_UNSUPPORTED = -8, /**< valid, but not in this build */
    CAE_ERR_NAME = -9,        /**< no parameter of that name */
    CAE_ERR_PEER = -10        /**< another rank of the group failed, differs, or is not heard of */
};

/** A short English text for a status: "out of memory". Static; never NULL. */
const char *cae_status_string(cae_status status);

/** @} */

/** @defgroup context Context: what would otherwise be global
 * @{ */

typedef struct cae_context cae_context; /**< threads, memory, log, the text of the last error */

/** Levels of a log line. */
enum cae_log_level {
    CAE_LOG_INFO = 0,   /**< worth knowing */
    CAE_LOG_WARNING = 1 /**< worth looking into */
};

/** How layers are computed. All engines agree within the tolerance given in docs/numerics.md. */
enum cae_engine {
    CAE_ENGINE_AUTO = 0,  /**< the faster of the two, layer by layer: docs/architecture.md */
    CAE_ENGINE_GEMM = 1,  /**< im2col and matrix products through BLAS; every geometry */
    CAE_ENGINE_DIRECT = 2 /**< own kernels where the stride is 1, matrix products elsewhere */
};

/** Instruction sets that the own kernels are built for. The best one that the machine has is the
 * default. A lower one gives the same bits as on machines that have no better; results of different
 * ones agree within the tolerance given in docs/numerics.md. */
enum cae_cpu {
    CAE_CPU_AUTO = 0,     /**< the best there is */
    CAE_CPU_BASELINE = 1, /**< what the library was compiled for, such as SSE2 or NEON */
    CAE_CPU_AVX2 = 2,     /**< x86-64 with AVX2 and FMA: 2013 and later */
    CAE_CPU_AVX512 = 3    /**< x86-64 with AVX-512 F, BW, DQ, VL */
};

/** Give `bytes` (never 0) of memory, aligned as malloc's, or NULL when there is none. May be called
 * from any thread, as malloc may. */
typedef void *(*cae_allocate_fn)(void *user, size_t bytes);

/** Take a block back; never NULL. May be called from any thread, as free may. */
typedef void (*cae_release_fn)(void *user, void *block);

/** Hear what the library has to say: `text` is one line, valid during the call, `level` one of enum
 * cae_log_level. Any call but destroy may log. */
typedef void (*cae_log_fn)(void *user, int32_t level, const char *text);

/** How to make a context; comments begin with the default. */
typedef struct cae_context_options {
    uint32_t size;            /**< sizeof(cae_context_options) */
    int32_t threads;          /**< 1; 0 asks for one per available processor; at most 1024 */
    int32_t engine;           /**< CAE_ENGINE_AUTO */
    int32_t cpu;              /**< CAE_CPU_AUTO */
    cae_allocate_fn allocate; /**< NULL: malloc and free; both or neither */
    cae_release_fn release;   /**< NULL */
    void *allocator_user;     /**< NULL: first argument of both */
    cae_log_fn log;           /**< NULL: silent */
    void *log_user;           /**< NULL: its first argument */
} cae_context_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_context_options). */
cae_status cae_context_options_init(cae_context_options *options, uint32_t size);

/** Make a context. No thread is started before there is work for it. CAE_ERR_UNSUPPORTED when the
 * machine or the build lacks the instruction set asked for. A failure has no context to keep its
 * text: the log that the options name hears which of them was refused. */
cae_status cae_context_create(cae_context **out, const cae_context_options *options);

/** Give a context back. It lives on, error text included, while a handle made from it does. */
void cae_context_destroy(cae_context *context);

/** What went wrong in the last call that failed with this context or a handle made from it; "" when
 * nothing has, and for NULL: for a failed create without a context there is only the status. */
const char *cae_context_error(const cae_context *context);

/** Set the number of threads in use, the caller's included; 0 asks for one per available processor.
 * Results have the same bits for any number. When the system refuses some of them, the others do
 * the work and the log hears it; this call, with the same number too, asks again. */
cae_status cae_context_set_threads(cae_context *context, int32_t threads);

/** Threads in use, this one included; 0 for NULL. */
int32_t cae_context_threads(const cae_context *context);

/** The instruction set in use, never CAE_CPU_AUTO but for NULL. */
int32_t cae_context_cpu(const cae_context *context);

/** @} */

/** @defgroup describing Describing a network
 *
 * A description is a list of layers, each a convolution or a transposed convolution with its
 * activation, named as in a PyTorch nn.Sequential where an activation is a module of its own:
 * the layers of Sequential(Conv2d, ReLU, Conv2d) own "0.weight", "0.bias", "2.weight", "2.bias".
 * @{ */

typedef struct cae_spec cae_spec; /**< a list of layers, to make models from */

/** What a layer does with its sums. */
enum cae_activation {
    CAE_ACTIVATION_NONE = 0,       /**< x */
    CAE_ACTIVATION_RELU = 1,       /**< max(0, x) */
    CAE_ACTIVATION_LEAKY_RELU = 2, /**< x < 0 ? slope x : x */
    CAE_ACTIVATION_TANH = 3,       /**< tanh(x) */
    CAE_ACTIVATION_SIGMOID = 4     /**< 1 / (1 + exp(-x)) */
};

/** The geometry of a layer, in pixels, and its activation; comments begin with the default. */
typedef struct cae_conv_options {
    uint32_t size;            /**< sizeof(cae_conv_options) */
    int32_t kernel_h;         /**< 3 */
    int32_t kernel_w;         /**< 3 */
    int32_t stride_h;         /**< 1 */
    int32_t stride_w;         /**< 1 */
    int32_t padding_h;        /**< 0: rows of zeros on each side */
    int32_t padding_w;        /**< 0: columns of zeros on each side */
    int32_t dilation_h;       /**< 1 */
    int32_t dilation_w;       /**< 1 */
    int32_t output_padding_h; /**< 0; transposed convolution only */
    int32_t output_padding_w; /**< 0; transposed convolution only */
    int32_t bias;             /**< 1 */
    int32_t activation;       /**< CAE_ACTIVATION_NONE */
    uint32_t reserved;        /**< 0 */
    double slope;             /**< 0.01: LeakyReLU, >= 0 */
} cae_conv_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_conv_options). */
cae_status cae_conv_options_init(cae_conv_options *options, uint32_t size);

/** Make an empty description. */
cae_status cae_spec_create(cae_spec **out, cae_context *context);

/** Give a description back. Models made from it do not need it. */
void cae_spec_destroy(cae_spec *spec);

/** Append a convolution. On error the description is as it was.
 *
 *     in [in_channels][H][W] -> out [out_channels][P][Q],
 *
 *     P = floor((H + 2 padding_h - dilation_h (kernel_h - 1) - 1) / stride_h) + 1, Q likewise
 *
 * CAE_ERR_SHAPE when in_channels is not what the layer before it gives. */
cae_status cae_spec_add_conv(cae_spec *spec, int32_t in_channels, int32_t out_channels,
                             const cae_conv_options *options);

/** Append a transposed convolution, the adjoint of the convolution with the same options.
 *
 *     in [in_channels][H][W] -> out [out_channels][P][Q],
 *
 *     P = (H - 1) stride_h - 2 padding_h + dilation_h (kernel_h - 1) + output_padding_h + 1
 *
 * Output padding must be smaller than the stride or the dilation. */
cae_status cae_spec_add_conv_transpose(cae_spec *spec, int32_t in_channels, int32_t out_channels,
                                       const cae_conv_options *options);

/** The encoder is what has been added so far; what follows is the decoder. Once, after a first
 * layer. Without this call the encoder is the first half of the layers, the odd one going to the
 * encoder. */
cae_status cae_spec_end_encoder(cae_spec *spec);

/** With 1, a whole model gives its input plus what its layers make of it, y = x + f(x): a residual
 * connection (Zhang et al. 2017, "Beyond a Gaussian Denoiser"), with which a denoiser learns the
 * noise and not the image. 0, the default, takes it away. Making a model of such a description is
 * CAE_ERR_SHAPE unless the last layer gives as many channels as the first one takes and has no
 * activation; running one is, where the layers do not give back the size of the image. Encoder and
 * decoder by themselves run their layers only: encoded and decoded again is f(x). */
cae_status cae_spec_set_residual(cae_spec *spec, int32_t residual);

/** How a model's parameters begin. fan_in is weight.shape[1] * kernel_h * kernel_w, as in PyTorch, which
 * for a transposed convolution counts its output channels. */
enum cae_initialization {
    CAE_INITIALIZATION_PYTORCH = 0, /**< PyTorch's default for both kinds of layers: weights and biases
                                         uniform in +-1/sqrt(fan_in) */
    CAE_INITIALIZATION_HE = 1       /**< He et al. 2015, "Delving Deep into Rectifiers": weights uniform
                                         in +-g sqrt(3/fan_in), biases 0; g = sqrt(2) before a ReLU,
                                         sqrt(2/(1 + slope^2)) before a LeakyReLU, 1 elsewhere */
};

/** Choose how models of this description begin; CAE_INITIALIZATION_PYTORCH without this call. It is not
 * kept in files, which have the parameters. */
cae_status cae_spec_set_initialization(cae_spec *spec, int32_t initialization);

/** Append the four layers of the reference network (1,611 parameters) to an empty description:
 * Conv 3->8 ReLU, Conv 8->8 ReLU | ConvTranspose 8->8 ReLU, ConvTranspose 8->3; 3x3, stride 1. */
cae_status cae_spec_add_reference(cae_spec *spec);

/** @} */

/** @defgroup model Model: a network with its parameters
 * @{ */

typedef struct cae_model cae_model; /**< layers and their parameters */

/** Make a model. Its parameters begin as the description says (cae_spec_set_initialization), those of
 * the last layer before a residual connection at a tenth of that, near y = x. The same seed gives the
 * same bits on every machine. The description is copied. */
cae_status cae_model_create(cae_model **out, cae_context *context, const cae_spec *spec,
                            uint64_t seed);

/** Make the reference network in one call. */
cae_status cae_model_create_reference(cae_model **out, cae_context *context, uint64_t seed);

/** Give a model back. It lives on while an optimizer made for it does. */
void cae_model_destroy(cae_model *model);

/** Number of scalar parameters; 0 for NULL. */
int64_t cae_model_parameter_count(const cae_model *model);

/** Number of layers; 0 for NULL. */
int32_t cae_model_layer_count(const cae_model *model);

/** Number of layers of the encoder, which are the first; 0 for NULL. Since 1.1. */
int32_t cae_model_encoder_layers(const cae_model *model);

/** What layer `index`, counted from 0, is: `transposed` receives 1 for a transposed convolution and
 * 0 for a convolution, the channels as many as it reads and writes, `options` its geometry and
 * activation, so that cae_spec_add_conv or cae_spec_add_conv_transpose makes it again. The caller
 * sets options->size (the init call does); as many bytes are written. Slopes are rounded to float32.
 * Any result may be NULL. Since 1.1. */
cae_status cae_model_layer(int32_t *transposed, int32_t *in_channels, int32_t *out_channels,
                           cae_conv_options *options, const cae_model *model, int32_t index);

/** 1 for a model with a residual connection, see cae_spec_set_residual; 0 without, and for NULL. */
int32_t cae_model_residual(const cae_model *model);

/** Number of parameter tensors; 0 for NULL. */
int32_t cae_model_tensor_count(const cae_model *model);

/** The name of tensor `index`, such as "4.weight"; NULL for none. Lives with the model. */
const char *cae_model_tensor_name(const cae_model *model, int32_t index);

/** The shape of a named tensor: `shape` receives 4 extents, unused ones 1; `rank` (may be NULL)
 * receives 4 for weights, 1 for biases. Convolution weights are [out][in][kernel_h][kernel_w],
 * transposed ones [in][out][kernel_h][kernel_w]. */
cae_status cae_model_tensor_shape(int64_t *shape, int32_t *rank, const cae_model *model,
                                  const char *name);

/** Copy a named tensor out of the model; `count` must be its number of elements. */
cae_status cae_model_get_tensor(float *values, size_t count, const cae_model *model,
                                const char *name);

/** Copy a named tensor into the model; `count` must be its number of elements. A value that is not
 * finite is refused and leaves the tensor as it was. */
cae_status cae_model_set_tensor(cae_model *model, const char *name, const float *values,
                                size_t count);

/** Parts of a model. */
enum cae_part {
    CAE_PART_ENCODER = 0, /**< from an image to its latent */
    CAE_PART_DECODER = 1, /**< from a latent to an image */
    CAE_PART_WHOLE = 2    /**< both */
};

/** What a part of the model turns an input of `height` x `width` into. The three results may be
 * NULL. CAE_ERR_SHAPE names the layer whose kernel no longer fits. `context` keeps the error text;
 * NULL means the model's own. */
cae_status cae_model_output_shape(int32_t *out_channels, int32_t *out_height, int32_t *out_width,
                                  const cae_model *model, cae_context *context, int32_t part,
                                  int32_t height, int32_t width);

/** Channels that a part reads and writes; either result may be NULL. CAE_ERR_SHAPE for the decoder
 * of a model that has none. `context` keeps the error text; NULL means the model's own. */
cae_status cae_model_channels(int32_t *in_channels, int32_t *out_channels, const cae_model *model,
                              cae_context *context, int32_t part);

/** Run the whole model on `count` images of any size that fits.
 *
 *     x [count][C][height][width] -> y as cae_model_output_shape says
 *
 * `x_count` and `y_count` are the numbers of floats at x and y and must be exactly those products.
 * `context` lends threads, scratch memory and the error text; NULL means the model's own. x and y
 * must not overlap (CAE_ERR_ARGUMENT); both may be NULL when `count` is 0. Images that have more
 * than 65,536 pixels anywhere on their way are run in tiles, so that scratch memory, which the
 * context keeps, does not grow with them. NaN and infinity pass through as arithmetic has it. */
cae_status cae_model_forward(float *y, size_t y_count, const cae_model *model,
                             cae_context *context, const float *x, size_t x_count, int64_t count,
                             int32_t height, int32_t width);

/** Run the encoder, as cae_model_forward does: images to latents. */
cae_status cae_model_encode(float *latent, size_t latent_count, const cae_model *model,
                            cae_context *context, const float *x, size_t x_count, int64_t count,
                            int32_t height, int32_t width);

/** Run the decoder, as cae_model_forward does: latents of `height` x `width` to images. */
cae_status cae_model_decode(float *y, size_t y_count, const cae_model *model,
                            cae_context *context, const float *latent, size_t latent_count,
                            int64_t count, int32_t height, int32_t width);

/** @} */

/** @defgroup files Files
 *
 * Models are saved as safetensors, readable by any safetensors library. Keys and layouts are those
 * of a PyTorch nn.Sequential, the architecture travels as JSON in the metadata
 * (docs/file-format.md). Files appear whole or not at all: written beside the target, synced,
 * renamed. Reading checks every rule of the format before anything is made.
 * @{ */

/** Write a model file. */
cae_status cae_model_save(const cae_model *model, const char *path);

/** Read what cae_model_save or cae_trainer_save wrote. */
cae_status cae_model_load(cae_model **out, cae_context *context, const char *path);

/** The model file in memory. `written` receives its size; with a NULL or short buffer nothing is
 * copied and the status is CAE_OK for NULL (`capacity` 0), CAE_ERR_ARGUMENT for a short one. */
cae_status cae_model_save_memory(void *buffer, size_t capacity, size_t *written,
                                 const cae_model *model);

/** Read a model file that is in memory already. */
cae_status cae_model_load_memory(cae_model **out, cae_context *context, const void *data,
                                 size_t size);

/** Give a model a note, which travels in its files: what it was made from, for people or, as JSON, for
 * programs. UTF-8 of at most 65,536 bytes, copied; NULL or "" takes it away. It changes nothing that
 * a model computes. cae_model_load_weights and cae_trainer_resume leave it as it is. CAE_ERR_ARGUMENT
 * for a text that is longer or not UTF-8. Since 1.1. */
cae_status cae_model_set_note(cae_model *model, const char *text);

/** The note of a model, "" for none and for NULL. Lives until the next cae_model_set_note, or as
 * long as the model. Since 1.1. */
const char *cae_model_note(const cae_model *model);

/** Fill an existing model from a file that need not say an architecture, such as a PyTorch state
 * dict: every parameter must be there as float32 with its shape, and nothing else but "optim."
 * tensors. All or nothing. */
cae_status cae_model_load_weights(cae_model *model, const char *path);

/** Write a part of a model (enum cae_part) as ONNX, opset 13, for onnxruntime and others. The graph
 * maps "input" [batch][C][height][width] to "output" with all of batch, height and width dynamic;
 * parameters keep their names. CAE_ERR_UNSUPPORTED for output padding that exceeds the padding by
 * the stride or more, which runtimes refuse, and above 2 GiB. */
cae_status cae_model_export_onnx(const cae_model *model, int32_t part, const char *path);

/** The ONNX file in memory; buffer, capacity and `written` as in cae_model_save_memory. */
cae_status cae_model_export_onnx_memory(void *buffer, size_t capacity, size_t *written,
                                        const cae_model *model, int32_t part);

/** @} */

/** @defgroup data Data: random access to images of one shape
 * @{ */

typedef struct cae_dataset cae_dataset; /**< images of one shape, by index */

/** Element types of a caller's images. */
enum cae_type {
    CAE_TYPE_U8 = 0,  /**< bytes, 0 to 255 */
    CAE_TYPE_F32 = 1, /**< float32 */
    CAE_TYPE_U16 = 2  /**< 0 to 65535 in the machine's byte order; arrays only, not datasets */
};

/** Orders of a caller's images. */
enum cae_layout {
    CAE_LAYOUT_NCHW = 0, /**< [count][channels][height][width], planes */
    CAE_LAYOUT_NHWC = 1  /**< [count][height][width][channels], pixels */
};

/** The range the network sees. Bytes are mapped to it; float32 data is taken to be in it. */
enum cae_scale {
    CAE_SCALE_SIGNED = 0, /**< [-1, 1]: byte / 127.5 - 1; data range 2 */
    CAE_SCALE_UNIT = 1    /**< [0, 1]: byte / 255; data range 1 */
};

/** Which images of a data set with two parts. */
enum cae_split {
    CAE_SPLIT_TRAIN = 0, /**< to train on */
    CAE_SPLIT_TEST = 1   /**< to evaluate on */
};

/** How to see images; comments begin with the default. */
typedef struct cae_dataset_options {
    uint32_t size;     /**< sizeof(cae_dataset_options) */
    int32_t scale;     /**< CAE_SCALE_SIGNED */
    int32_t type;      /**< CAE_TYPE_U8; cae_dataset_create only */
    int32_t layout;    /**< CAE_LAYOUT_NCHW; cae_dataset_create and cae_dataset_open_npy only */
    int32_t borrow;    /**< 0: copy the data. 1: the caller keeps it alive and unchanged until the
                            dataset, its slices and all trainers using them are destroyed, which
                            does not read it; cae_dataset_create only */
    uint32_t reserved; /**< 0 */
    int64_t memory;    /**< 0: all pixels are held in memory. Above: the most bytes of pixels that are
                            held there. Images that take more stay in their files, which are kept
                            open, and are read when they are asked for, in whatever order: the files
                            must not be changed meanwhile, and may be deleted. The same images, and
                            the same bits of what is made of them. cae_dataset_open_cifar10 and
                            cae_dataset_open_npy only. Since 1.1 */
} cae_dataset_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_dataset_options). */
cae_status cae_dataset_options_init(cae_dataset_options *options, uint32_t size);

/** Images in the caller's memory: `count` of them, `bytes` bytes in all, which must be exactly
 * count * channels * height * width elements. Copies, or borrows when the options say so. */
cae_status cae_dataset_create(cae_dataset **out, cae_context *context, const void *data,
                              size_t bytes, int64_t count, int32_t channels, int32_t height,
                              int32_t width, const cae_dataset_options *options);

/** A directory in CIFAR-10's binary format: data_batch_1.bin ... data_batch_5.bin (those there are,
 * in this order), and then data_batch_6.bin, data_batch_7.bin and so on to the first that is not
 * there; or test_batch.bin. Each has any number of records of one label byte (0-9) and 3072 pixel
 * bytes [3][32][32]. Read into memory, or, where the options bound that and all pixels take more, kept
 * open. The labels are checked and dropped; those of images that stay in files when they are read. */
cae_status cae_dataset_open_cifar10(cae_dataset **out, cae_context *context,
                                    const char *directory, int32_t split,
                                    const cae_dataset_options *options);

/** A NumPy file (.npy, see cae_array_read) of bytes or floats: [count][channels][height][width], or
 * [count][height][width][channels] when the options say CAE_LAYOUT_NHWC, or [count][height][width],
 * which is one channel. Bytes are scaled, floats taken to be in the range that the options name.
 * Read into memory once: what it takes is the file's size, of f8 too; or, where the options bound
 * that and it is more, kept open, which only bytes and float32 can be: CAE_ERR_FORMAT for numbers
 * that would have to be rounded. The options' type and borrow are 0. */
cae_status cae_dataset_open_npy(cae_dataset **out, cae_context *context, const char *path,
                                const cae_dataset_options *options);

/** What to take from a folder of images; comments begin with the default. */
typedef struct cae_folder_options {
    uint32_t size;    /**< sizeof(cae_folder_options) */
    int32_t scale;    /**< CAE_SCALE_SIGNED */
    int32_t channels; /**< 3; or 1. Grey is repeated; colours become grey by Rec. 601 luma,
                           (299 R + 587 G + 114 B) / 1000, rounded; alpha is dropped; 16 bits are
                           rounded to 8 */
    int32_t height;   /**< 32: rows of a crop, 1 to 1048576 */
    int32_t width;    /**< 32: columns of a crop, 1 to 1048576 */
    int32_t crops;    /**< 0: of each file as many as crops of that size fit its area, at least 1,
                           and at most as many of each as `memory` has room for; else that many of
                           each file */
    uint64_t seed;    /**< 1: where crops are taken */
    int64_t memory;   /**< 268435456: the most bytes of pixels that the dataset may take */
    int64_t limit;    /**< 0: all files; else at most so many, evenly spaced in their order */
    const char *cache; /**< NULL: crops are held in memory. Else a directory, for a file without a
                            name: crops are decoded once, written to it, and read from it when they
                            are asked for. `memory` then bounds the bytes of the file, and in memory
                            there are no pixels. The file takes no room any more once the dataset,
                            its slices and its trainers are gone, or the process is, however it ended.
                            Not on Windows: CAE_ERR_UNSUPPORTED. Since 1.1 */
} cae_folder_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_folder_options). */
cae_status cae_folder_options_init(cae_folder_options *options, uint32_t size);

/** Random crops of the images below a directory: of all files there and in the folders inside whose
 * name ends in .png, .jpg or .jpeg (in any case), in the order of their paths' bytes. Links to files
 * are followed, links to folders are not. Each crop is an image of the dataset, bytes in memory; the
 * crops of a file follow each other. Where a crop lies is a function of (seed, the file's number in
 * that order, the crop's number), each place in the file as likely as any other: the same bytes for
 * any number of threads. The context's threads read and decode; beside the dataset each holds one
 * file and its image.
 *
 * A file that cannot be used (not an image, cut off, smaller than a crop, more than the library
 * reads, unreadable) is left out: the log hears its name and the reason, cae_dataset_skipped counts
 * it. CAE_ERR_FORMAT, with the first reason, when none is left; CAE_ERR_IO when there was none;
 * CAE_ERR_OPTIONS when one crop of each, or the number of crops asked for, takes more than
 * `memory`. CAE_ERR_IO when the file in `cache` cannot be made or written, as on a full disk.
 * CAE_ERR_UNSUPPORTED in a build without PNG and JPEG. */
cae_status cae_dataset_open_folder(cae_dataset **out, cae_context *context, const char *directory,
                                   const cae_folder_options *options);

/** The built-in image set: "dead leaves" (Lee, Mumford & Huang 2001), occluding textured discs with
 * power-law radii. Deterministic in (seed, index): the same bytes on every machine. `channels` is
 * 1 or 3; height and width 1 to 1024. Made by the context's threads. */
cae_status cae_dataset_create_dead_leaves(cae_dataset **out, cae_context *context, int64_t count,
                                          int32_t channels, int32_t height, int32_t width,
                                          uint64_t seed, const cae_dataset_options *options);

/** `count` images of another dataset from `first` on, without a copy. */
cae_status cae_dataset_slice(cae_dataset **out, const cae_dataset *dataset, int64_t first,
                             int64_t count);

/** Give a dataset back. It lives on while a slice or a trainer made with it does. */
void cae_dataset_destroy(cae_dataset *dataset);

/** Number of images; 0 for NULL. */
int64_t cae_dataset_count(const cae_dataset *dataset);

/** Number of files that cae_dataset_open_folder left out, of a slice too; 0 for other datasets and
 * for NULL. */
int64_t cae_dataset_skipped(const cae_dataset *dataset);

/** The shape of every image. Any result may be NULL. */
cae_status cae_dataset_shape(int32_t *channels, int32_t *height, int32_t *width,
                             const cae_dataset *dataset);

/** Difference between the largest and the smallest value of the range: 2 or 1; 0 for NULL. */
double cae_dataset_range(const cae_dataset *dataset);

/** Image `index`, scaled, as [channels][height][width]; `pixel_count` must be that product.
 * CAE_ERR_IO, or CAE_ERR_FORMAT, when it lies in a file and cannot be read: here and wherever images
 * of a dataset are. */
cae_status cae_dataset_get(float *pixels, size_t pixel_count, const cae_dataset *dataset,
                           int64_t index);

/** The visit whose noise cae_model_evaluate adds. */
#define CAE_VISIT_EVALUATION 0xffffffff

/** Add Gaussian noise of mean 0 and standard deviation `sigma`, in units of the values, to one
 * image. The noise is a function of (seed, visit, image) alone: Philox4x32-10 and Box-Muller, see
 * docs/numerics.md. A trainer's epoch e uses visit e; evaluation uses CAE_VISIT_EVALUATION. `image`
 * is below 2^56, `sigma` finite and >= 0. There is no context to keep an error text. */
cae_status cae_add_noise(float *values, size_t count, double sigma, uint64_t seed, uint32_t visit,
                         uint64_t image);

/** @} */

/** @defgroup arrays Arrays: numbers with a shape, from and to files
 *
 * Images as PNG and JPEG, and whatever else as NumPy's .npy. An image is an array
 * [height][width][channels] of bytes, or of 16-bit numbers where a PNG has them: 1 channel is grey,
 * 2 grey and alpha, 3 red, green, blue, 4 the same and alpha. Colours are taken as they are: no
 * gamma, no profile. A build without PNG and JPEG (`-Dimages=disabled`) has .npy alone and says
 * CAE_ERR_UNSUPPORTED of the others. What is read and written: docs/file-format.md.
 * @{ */

typedef struct cae_array cae_array; /**< numbers of one type, with a shape, dense, row-major */

#define CAE_MOST_RANK 8 /**< extents that an array may have */

/** Files of arrays. */
enum cae_file_format {
    CAE_FILE_NPY = 0, /**< NumPy's: any type and shape */
    CAE_FILE_PNG = 1, /**< images of bytes or 16 bits, 1 to 4 channels; without loss */
    CAE_FILE_JPEG = 2 /**< images of bytes, 1 or 3 channels; quality 95, colour in full resolution */
};

/** Make an array of zeros: `type` is one of enum cae_type, `shape` has `rank` extents (1 to
 * CAE_MOST_RANK), each at least 1. */
cae_status cae_array_create(cae_array **out, cae_context *context, int32_t type,
                            const int64_t *shape, int32_t rank);

/** Give an array back. */
void cae_array_destroy(cae_array *array);

/** The shape: `shape` receives CAE_MOST_RANK extents, unused ones 1. Any result may be NULL. */
cae_status cae_array_shape(int64_t *shape, int32_t *rank, int32_t *type, const cae_array *array);

/** The numbers, to read and to write, aligned to 64 bytes; NULL for NULL. Lives with the array. */
void *cae_array_data(cae_array *array);

/** Bytes of all numbers; 0 for NULL. */
size_t cae_array_bytes(const cae_array *array);

/** Read a file that by its first bytes, whatever its name, is .npy, PNG or JPEG.
 *
 * .npy of u1, u2 and f4 in either byte order, and f8, which is rounded to float32; in C order, at
 * least one number. PNG of all kinds: a palette becomes RGB or RGBA, a transparent colour an alpha
 * channel, grey of less than 8 bits 8; the checksums of chunks that matter must be right. JPEG,
 * grey or colour, sequential or progressive, turned upright as its EXIF orientation says; not CMYK.
 * An image may have 2^28 pixels and sides of 2^20; what its header says it is must be possible in a
 * file of that size.
 * CAE_ERR_FORMAT for what is cut off or damaged. */
cae_status cae_array_read(cae_array **out, cae_context *context, const char *path);

/** Read a file that is in memory already. */
cae_status cae_array_read_memory(cae_array **out, cae_context *context, const void *data,
                                 size_t size);

/** Write a file, in one step as cae_model_save does, in the format that the end of its name says:
 * .npy, .png, .jpg or .jpeg, in any case. For images an array [height][width] is one channel.
 * CAE_ERR_ARGUMENT for another name, CAE_ERR_SHAPE for what a format cannot hold. */
cae_status cae_array_write(const cae_array *array, const char *path);

/** The file in memory, in one of enum cae_file_format; buffer, capacity and `written` as in
 * cae_model_save_memory. */
cae_status cae_array_write_memory(void *buffer, size_t capacity, size_t *written,
                                  const cae_array *array, int32_t format);

/** An image as a network sees it.
 *
 *     image [height][width][channels], or [height][width] -> planes [channels][height][width],
 *
 * `count` is that product. Numbers become floats in the range of `scale` (enum cae_scale): bytes as
 * in datasets, 16 bits by v / 32767.5 - 1 or v / 65535; floats are taken to be in it. */
cae_status cae_array_to_planes(float *planes, size_t count, const cae_array *image, int32_t scale);

/** The way back: floats of the range of `scale` into an image that has its shape and type already,
 * clipped to the range, rounded to the nearest number. NaN becomes the least number, 0. An image of
 * floats takes them as they are. */
cae_status cae_array_from_planes(cae_array *image, const float *planes, size_t count,
                                 int32_t scale);

/** @} */

/** @defgroup metrics Metrics on plain arrays, in double precision
 *
 * Images a and b are [channels][height][width], data_range is the difference between the largest
 * and smallest possible value. No clipping, no rounding; NaN gives NaN. `context` keeps the error
 * text and lends SSIM its scratch; cae_mse and cae_psnr do without, NULL is fine there.
 * @{ */

/** Windows of SSIM. */
enum cae_ssim_kind {
    CAE_SSIM_GAUSSIAN11 = 0, /**< Wang et al. 2004: 11x11 Gaussian, sigma 1.5, population moments */
    CAE_SSIM_UNIFORM7 = 1    /**< scikit-image's default: 7x7 uniform, sample moments (49/48) */
};

/** Mean squared difference of `count` values. */
cae_status cae_mse(double *out, cae_context *context, const float *a, const float *b, size_t count);

/** 10 log10(data_range^2 / MSE); +infinity for equal arrays. */
cae_status cae_psnr(double *out, cae_context *context, const float *a, const float *b,
                    size_t count, double data_range);

/** Mean over the positions where the window fits, then over channels; K1 = 0.01, K2 = 0.03. `kind`
 * is one of enum cae_ssim_kind. The image must hold one window: CAE_ERR_SHAPE. */
cae_status cae_ssim(double *out, cae_context *context, const float *a, const float *b,
                    int32_t channels, int32_t height, int32_t width, double data_range,
                    int32_t kind);

/** @} */

/** @defgroup optimizer Optimizer: how gradients change parameters
 * @{ */

typedef struct cae_optimizer cae_optimizer; /**< an update rule and its moments, for one model */

/** Update rules as in torch.optim. */
enum cae_optimizer_kind {
    CAE_OPTIMIZER_SGD = 0,  /**< stochastic gradient descent, with momentum if asked for */
    CAE_OPTIMIZER_ADAM = 1, /**< Kingma & Ba 2015; weight decay is added to the gradient */
    CAE_OPTIMIZER_ADAMW = 2 /**< Loshchilov & Hutter 2019; weight decay shrinks the weights */
};

/** An update rule; comments begin with the default. */
typedef struct cae_optimizer_options {
    uint32_t size;        /**< sizeof(cae_optimizer_options) */
    int32_t kind;         /**< CAE_OPTIMIZER_ADAM */
    double learning_rate; /**< 1e-3; > 0 */
    double momentum;      /**< 0; SGD, 0 <= momentum < 1 */
    double beta1;         /**< 0.9; Adam and AdamW, 0 <= beta1 < 1 */
    double beta2;         /**< 0.999; Adam and AdamW, 0 <= beta2 < 1 */
    double epsilon;       /**< 1e-8; > 0 */
    double weight_decay;  /**< 0; >= 0 */
    int32_t nesterov;     /**< 0; SGD, needs momentum */
    uint32_t reserved;    /**< 0 */
} cae_optimizer_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_optimizer_options). */
cae_status cae_optimizer_options_init(cae_optimizer_options *options, uint32_t size);

/** Make an optimizer for one model, with zero moments. One at a time may train a model. */
cae_status cae_optimizer_create(cae_optimizer **out, cae_model *model,
                                const cae_optimizer_options *options);

/** Give an optimizer back. It lives on while a trainer made with it does. */
void cae_optimizer_destroy(cae_optimizer *optimizer);

/** The base rate that a schedule multiplies; 0 for NULL. */
double cae_optimizer_learning_rate(const cae_optimizer *optimizer);

/** Set the base rate, from the next step on; > 0. Checkpoints do not hold it. */
cae_status cae_optimizer_set_learning_rate(cae_optimizer *optimizer, double learning_rate);

/** @} */

/** @defgroup training Training: pull style, nothing runs unless you call it
 * @{ */

typedef struct cae_trainer cae_trainer; /**< a model, its optimizer and a dataset, at work */

/** What a step makes smaller; y is the output, d = |y - target|. */
enum cae_loss {
    CAE_LOSS_MSE = 0,        /**< mean of (y - target)^2 over all elements of the batch */
    CAE_LOSS_L1 = 1,         /**< mean of |y - target| */
    CAE_LOSS_HUBER = 2,      /**< mean of d < delta ? d^2 / 2 : delta (d - delta / 2) */
    CAE_LOSS_CHARBONNIER = 3 /**< mean of sqrt(d^2 + epsilon^2) - epsilon: L1 without its corner
                                  (Charbonnier et al. 1994) */
};

/** The rate of step t = 0, 1, ... is the base rate times (t + 1) / warmup_steps while
 * t < warmup_steps, and then times what the schedule says. */
enum cae_schedule {
    CAE_SCHEDULE_CONSTANT = 0, /**< 1 */
    CAE_SCHEDULE_STEP = 1,     /**< decay_factor ^ floor((t - warmup_steps) / decay_steps) */
    CAE_SCHEDULE_COSINE = 2    /**< f + (1 - f) (1 + cos(pi u)) / 2, f = final_fraction,
                                    u = min(1, (t - warmup_steps) / (decay_steps - warmup_steps)) */
};

/** What may happen to an image on its way into a batch, drawn anew for each visit by halves: add up
 * what is wanted. All together they give the eight ways a square can lie. */
enum cae_augment {
    CAE_AUGMENT_MIRROR = 1,   /**< left and right exchanged */
    CAE_AUGMENT_FLIP = 2,     /**< top and bottom exchanged */
    CAE_AUGMENT_TRANSPOSE = 4 /**< rows and columns exchanged; square images only */
};

/** How to train; comments begin with the default. */
typedef struct cae_trainer_options {
    uint32_t size;         /**< sizeof(cae_trainer_options) */
    int32_t batch;         /**< 64; images per step; the last batch of an epoch may be smaller */
    uint64_t seed;         /**< 1; keys the shuffle and the noise */
    int32_t loss;          /**< CAE_LOSS_MSE */
    int32_t shuffle;       /**< 1; 0 visits the images in order */
    double huber_delta;    /**< 1; > 0 */
    double noise_sigma;    /**< 0; Gaussian noise added to the input, never to the target, by the
                                image's index in the dataset, which in a slice is its own */
    double clip_norm;      /**< 0: off; a longer gradient is scaled by clip_norm / (norm + 1e-6) */
    int32_t schedule;      /**< CAE_SCHEDULE_CONSTANT */
    uint32_t reserved;     /**< 0 */
    int64_t warmup_steps;  /**< 0 */
    int64_t decay_steps;   /**< 0; STEP: steps between decays; COSINE: all steps, warm-up too */
    double decay_factor;   /**< 0.1; 0 < decay_factor <= 1 */
    double final_fraction; /**< 0; 0 <= final_fraction <= 1 */
    double noise_sigma_max; /**< 0: the noise of every image has noise_sigma; above: each visit of
                                 an image draws its own, uniform between the two. The noise itself
                                 is that of cae_add_noise */
    double average_decay;   /**< 0: off; below 1: cae_trainer_average gives the exponential moving
                                 average of the parameters, which begins as they are when the
                                 trainer is made: after step t = 0, 1, ...
                                 a = d a + (1 - d) w, d = min(average_decay, (1 + t) / (10 + t)) */
    double epsilon;         /**< 0, which is 1e-3; CHARBONNIER, 1e-18 to 1e18 */
    double ssim_weight;     /**< 0; >= 0: ssim_weight (1 - SSIM) is added to the loss, the mean SSIM
                                 of CAE_SSIM_GAUSSIAN11 over windows, channels and images. Images of
                                 at least 11x11 */
    int32_t augment;        /**< 0; sum of enum cae_augment */
    uint32_t reserved2;     /**< 0 */
    int64_t shuffle_window; /**< 0: the shuffle is one of all images, wherever they lie. Above: for data
                                 in files on media that find far places slowly. Each epoch begins
                                 somewhere in the dataset, cuts it from there on into runs of 256
                                 images, takes these in random order, and shuffles so many images at a
                                 time among themselves. Every image once an epoch. Since 1.1 */
} cae_trainer_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_trainer_options). */
cae_status cae_trainer_options_init(cae_trainer_options *options, uint32_t size);

/** Where training stands. The caller sets `size`, or its init call; as many bytes are written. */
typedef struct cae_progress {
    uint32_t size;        /**< sizeof(cae_progress) */
    int32_t epoch_done;   /**< 1 when the step just taken was the last of its epoch */
    int64_t step;         /**< optimizer steps taken in all */
    int64_t epoch;        /**< epochs completed */
    int64_t images;       /**< images visited in this epoch, or in the one just completed */
    double loss;          /**< of the step just taken; for cae_trainer_epoch the mean per image */
    double epoch_loss;    /**< mean per image since the epoch began */
    double learning_rate; /**< used in the step just taken */
    double gradient_norm; /**< L2, before clipping */
    int32_t stop;         /**< 1 when a rank had called cae_trainer_request_stop before the step just
                               taken: the same on all ranks of a group */
    uint32_t reserved;    /**< 0 */
} cae_progress;

/** Zero the first `size` bytes and set their size: pass sizeof(cae_progress). */
cae_status cae_progress_init(cae_progress *progress, uint32_t size);

/** Called after every step of cae_trainer_epoch; non-zero ends the call. It may also leave by a C++
 * exception or longjmp, to the same effect: the step is complete and the library holds nothing. But
 * of a group the other ranks then wait for this one in the next step. */
typedef int32_t (*cae_progress_fn)(void *user, const cae_progress *progress);

/** Bring a model, its optimizer and a dataset together. The model must map an image onto its own
 * shape. What steps need is allocated here and in the first of them, and again after a change of
 * threads. The trainer keeps the three handles alive. It works with the model's context; the
 * dataset may belong to another. */
cae_status cae_trainer_create(cae_trainer **out, cae_model *model, cae_optimizer *optimizer,
                              const cae_dataset *dataset, const cae_trainer_options *options);

/** Give a trainer back. The model keeps what it has learned. */
void cae_trainer_destroy(cae_trainer *trainer);

/** Take one optimizer step on the next batch. `out` may be NULL. CAE_ERR_IO or CAE_ERR_FORMAT when an
 * image that lies in a file cannot be read: nothing is updated, and the step may be taken again.
 * CAE_ERR_NUMERIC when the loss, the gradient or the update is not finite; nothing is updated then,
 * and if it was this trainer's last update that led there, it is taken back with everything it
 * changed: cae_trainer_progress tells where that is. Model, optimizer and trainer may be saved, or
 * continued at another rate. In a group collective, see cae_trainer_join: CAE_ERR_PEER when another
 * rank failed, with nothing updated anywhere; and when the ranks' parameters are found to differ at
 * the end of an epoch, which ends the group. */
cae_status cae_trainer_step(cae_progress *out, cae_trainer *trainer);

/** Take steps to the end of the current epoch. `out`, `callback` and `user` may be NULL.
 * CAE_STOPPED when the callback asked to, or cae_trainer_request_stop did. In a group collective: then
 * a stop takes effect with the step after the one it was asked for at, which after the last step of
 * an epoch is the first of the next call. */
cae_status cae_trainer_epoch(cae_progress *out, cae_trainer *trainer, cae_progress_fn callback,
                             void *user);

/** Number of steps in an epoch; 0 for NULL. */
int64_t cae_trainer_steps_per_epoch(const cae_trainer *trainer);

/** Where training stands, without taking a step. Just resumed, what belongs to the last step is 0,
 * as is epoch_loss at the beginning of an epoch. */
cae_status cae_trainer_progress(cae_progress *out, const cae_trainer *trainer);

/** The gradient of this trainer's last step for a named parameter tensor, after clipping; zeros
 * before the first. After a step that failed it is what that step had come to, such as the values
 * that are not finite. `count` must be its number of elements. */
cae_status cae_trainer_get_gradient(float *values, size_t count, const cae_trainer *trainer,
                                    const char *name);

/** A model of its own, of the trainer's context, with the moving average of the parameters, which
 * smooths out the last steps' noise; without averaging, with the parameters as they are. */
cae_status cae_trainer_average(cae_model **out, const cae_trainer *trainer);

/** Write a checkpoint: a model file with the optimizer's moments, the moving average if there is
 * one, and the trainer's counters. In a group collective: rank 0 writes, and the others' path is not
 * looked at. CAE_ERR_PEER when another rank failed. */
cae_status cae_trainer_save(const cae_trainer *trainer, const char *path);

/** Resume from a checkpoint, into a trainer made with the same model, optimizer, dataset and
 * options: continues to the same bits as if training had never stopped, at any step, with any
 * number of threads. A file that does not fit (another architecture, optimizer kind, dataset size,
 * batch, seed, shuffle or its window; averaging here and not there) is CAE_ERR_FORMAT or CAE_ERR_SHAPE;
 * whatever the status of a failure, nothing has changed. Rates, schedule, loss, noise, augmentation
 * and the average's decay may be changed on purpose: they are not in the file, and a rate set by
 * cae_optimizer_set_learning_rate has to be set again. In a group collective, with any number of
 * ranks: rank 0 reads and the others' path is not looked at. CAE_ERR_PEER when another rank failed. */
cae_status cae_trainer_resume(cae_trainer *trainer, const char *path);

/** @} */

/** @defgroup group Groups: one training by many processes
 *
 * Each process, a rank of a group, has a trainer of its own with the same model, optimizer, dataset
 * and options, and joins it to the group. A batch is then shared out: each rank computes the
 * gradients of some of its blocks of images, a sum over all ranks brings them together, and every
 * rank makes the same update. `batch` and all that follows from it, such as steps, epochs and the
 * images that cae_progress counts, are those of the group: N ranks do what one would do alone.
 *
 * The library does not know what connects the ranks. It asks for one thing, the sum of an array
 * over all of them; libcae_mpi, a library of its own with <cae/mpi.h>, has it of MPI. docs/scaling.md
 * says what it costs.
 *
 * Calls marked collective are made by all ranks, in the same order; each returns on all of them,
 * with CAE_OK on all of them or on none: a rank that fails takes part in the sum and says so, and
 * the others return CAE_ERR_PEER with a text that names it. Only a call without a trainer, or to join
 * without usable `rank`, `ranks` and `sum`, returns before it: for that the others wait in vain.
 * @{ */

/** Add up `count` values over all ranks of a group, in place: afterwards every rank has the same sums,
 * to the bit. Returns 0, or anything else when that failed, such as when a rank is not heard of
 * for too long: then the group is done for. Called on the thread of the collective call, with the
 * same `count` on all ranks, in the default floating-point environment; it must return. The order of
 * additions is free: where bits matter, all but one of the values that meet are -0. */
typedef int32_t (*cae_sum_fn)(void *user, float *values, size_t count);

/** How the gradients of a step are added up. */
enum cae_reduction {
    CAE_REDUCTION_DETERMINISTIC = 0, /**< in the order of one process: the same bits for any number
                                          of ranks, at most 16 and one for each block of 8 images of
                                          the batch (of 1, in batches below 8). A step sums as many
                                          gradients as one process keeps apart, up to 16 */
    CAE_REDUCTION_NATIVE = 1         /**< on each rank first, then as the sum function does it: one
                                          gradient a step, at most one rank for each block of the
                                          batch. The bits depend on the number of ranks */
};

/** A rank's place in its group; comments begin with the default. */
typedef struct cae_group_options {
    uint32_t size;     /**< sizeof(cae_group_options) */
    int32_t rank;      /**< 0; this one, below `ranks` */
    int32_t ranks;     /**< 1; in all */
    int32_t reduction; /**< CAE_REDUCTION_DETERMINISTIC */
    cae_sum_fn sum;    /**< NULL; what connects the ranks. It must work until the trainer is gone */
    void *user;        /**< NULL; for `sum` */
} cae_group_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_group_options). */
cae_status cae_group_options_init(cae_group_options *options, uint32_t size);

/** Join a trainer to a group. Collective, as from then on are cae_trainer_step, cae_trainer_epoch,
 * cae_trainer_save and cae_trainer_resume; a second time is CAE_ERR_ARGUMENT.
 *
 * What must be equal is compared: the library's version, its BLAS and the processor that this takes
 * the machine for (cae_build_info), the instruction set, the engine, the model and its parameters,
 * the optimizer and its state, the trainer's options and where it stands, and the dataset, of which
 * up to 1,024 images are read. CAE_ERR_PEER names the first rank that differs from rank 0, and what it
 * has. Threads may be as many on each rank as it likes. Unequal machines come to be equal by
 * cae_context_options.cpu, and OpenBLAS by its environment variable OPENBLAS_CORETYPE.
 *
 * CAE_ERR_OPTIONS when the batch has fewer blocks than there are ranks to work on them. */
cae_status cae_trainer_join(cae_trainer *trainer, const cae_group_options *options);

/** Ask for an end of training, on any rank, at any time and from any thread, or a signal's handler: the
 * next step that begins says so in cae_progress.stop on all ranks, and cae_trainer_epoch, which it ends,
 * returns CAE_STOPPED on all of them. In a group, a callback of cae_trainer_epoch that asks to stop has
 * called this. */
cae_status cae_trainer_request_stop(cae_trainer *trainer);

/** @} */

/** @defgroup presets Presets: networks with the recipes that train them
 *
 * Chosen by measurement: docs/results.md has what each reaches, and what was tried.
 * @{ */

/** Networks with their recipes. Under one number a network stays what it is; a better one comes under
 * a new number. */
enum cae_preset {
    CAE_PRESET_REFERENCE = 0, /**< the published network and recipe: cae_spec_add_reference, 10 epochs
                                   of 50,000 images, batch 64, Adam at 1e-3 */
    CAE_PRESET_TUNED = 1,     /**< the same network, trained better in as many samples */
    CAE_PRESET_RESIDUAL = 2,  /**< the same layers with a residual connection, for denoising; as many
                                   parameters and samples */
    CAE_PRESET_QUALITY = 3,   /**< wider and deeper with a residual connection, for denoising: minutes
                                   on two cores */
    CAE_PRESET_COMPRESS = 4   /**< a bottleneck for reconstruction: strided layers, a latent of a
                                   sixteenth of the pixels; sides are multiples of 4 */
};

/** The name of a preset, such as "residual"; NULL for none: counting up from 0 lists them all.
 * Static. */
const char *cae_preset_name(int32_t preset);

/** Append a preset's layers to an empty description, for images of `channels` channels. `latent` is
 * the number of channels of COMPRESS's latent, 0 its default; 0 for all others. On error the
 * description is empty as before. */
cae_status cae_spec_add_preset(cae_spec *spec, int32_t preset, int32_t channels, int32_t latent);

/** Epochs of a dataset of `images` images that make up the preset's budget of samples, rounded up;
 * 0 for no preset and no images. */
int64_t cae_preset_epochs(int32_t preset, int64_t images);

/** Write a preset's recipe into options that their init calls have filled: the optimizer's kind and
 * rate; batch, loss, schedule, average, augmentation. Seed, noise and the rest stay as they are.
 * `images` and `epochs` say how long training will be, which schedules need to know; 0 epochs are
 * cae_preset_epochs. `context` keeps the error text; NULL for none. */
cae_status cae_preset_options(cae_optimizer_options *optimizer, cae_trainer_options *trainer,
                              cae_context *context, int32_t preset, int64_t images,
                              int64_t epochs);

/** @} */

/** @defgroup evaluation Evaluation
 * @{ */

/** How to evaluate; comments begin with the default. */
typedef struct cae_evaluation_options {
    uint32_t size;       /**< sizeof(cae_evaluation_options) */
    uint32_t reserved;   /**< 0 */
    uint64_t noise_seed; /**< 123 */
    double noise_sigma;  /**< 0 */
} cae_evaluation_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_evaluation_options). */
cae_status cae_evaluation_options_init(cae_evaluation_options *options, uint32_t size);

/** How well a model does. The caller sets `size` (the init call does); as many bytes are written.
 * PSNR and SSIM are means of per-image values with the dataset's range; SSIM is NaN for images
 * smaller than its window, PSNR +infinity when an image is reproduced exactly. `noisy_` compares
 * the input, the others the output, with the clean image. */
typedef struct cae_evaluation {
    uint32_t size;              /**< sizeof(cae_evaluation) */
    uint32_t reserved;          /**< 0 */
    int64_t images;             /**< images compared */
    double mse;                 /**< mean squared error */
    double psnr;                /**< mean over images, dB */
    double psnr_global;         /**< of the mean MSE, dB */
    double ssim;                /**< CAE_SSIM_GAUSSIAN11 */
    double ssim_uniform7;       /**< CAE_SSIM_UNIFORM7 */
    double noisy_mse;           /**< the same of the input */
    double noisy_psnr;          /**< the same of the input */
    double noisy_ssim;          /**< the same of the input */
    double noisy_ssim_uniform7; /**< the same of the input */
} cae_evaluation;

/** Zero the first `size` bytes and set their size: pass sizeof(cae_evaluation). */
cae_status cae_evaluation_init(cae_evaluation *evaluation, uint32_t size);

/** Run the model over a dataset and compare. `context` as in cae_model_forward. CAE_ERR_NUMERIC
 * when an output is not finite. */
cae_status cae_model_evaluate(cae_evaluation *out, const cae_model *model, cae_context *context,
                              const cae_dataset *dataset, const cae_evaluation_options *options);

/** @} */

/** @defgroup anomaly Anomaly scores: how badly a model reproduces what it was not trained on
 *
 * A model trained on clean images reproduces what it knows and little else: where the squared error
 * between an image and its reconstruction is large, something is there that the training images did
 * not have. A scorer runs a model on frames of one size and makes a number, and a map of where, of
 * the error; calibration finds the number that a given share of clean images stays below. See
 * docs/anomaly.md.
 * @{ */

typedef struct cae_scorer cae_scorer; /**< a model at one frame size, ready to score */

/** What number a frame gets. The map is the squared error (y - x)^2 at each pixel, averaged over
 * channels, smoothed. */
enum cae_score {
    CAE_SCORE_MEAN = 0, /**< mean squared error of the frame, over all pixels and channels */
    CAE_SCORE_PEAK = 1  /**< largest value of the map: for defects that are small in the frame */
};

/** How to score; comments begin with the default. */
typedef struct cae_scorer_options {
    uint32_t size;     /**< sizeof(cae_scorer_options) */
    int32_t kind;      /**< CAE_SCORE_MEAN; one of enum cae_score */
    int32_t smoothing; /**< 1; radius r of the map's box blur, 0 to 256 pixels, 0 for none: a value
                            is the mean over the (2r + 1) x (2r + 1) pixels around, those outside
                            the frame left out */
    int32_t reserved;  /**< 0 */
} cae_scorer_options;

/** Write the defaults of the first `size` bytes: pass sizeof(cae_scorer_options). */
cae_status cae_scorer_options_init(cae_scorer_options *options, uint32_t size);

/** Make a scorer for frames of `height` x `width`, with a plan and all memory that a frame needs.
 * The model must map such an image onto its own shape: CAE_ERR_SHAPE. `context` lends threads,
 * scratch memory and the error text to this and all runs; NULL means the model's own. Several
 * scorers may share a model that nobody changes, from several threads, each with its own context.
 * NULL options are those that the model was calibrated with, if it was, else the defaults. The
 * scorer keeps the model and the context alive. */
cae_status cae_scorer_create(cae_scorer **out, const cae_model *model, cae_context *context,
                             int32_t height, int32_t width, const cae_scorer_options *options);

/** Give a scorer back. */
void cae_scorer_destroy(cae_scorer *scorer);

/** Score one frame.
 *
 *     x [C][height][width] -> score, map [height][width]
 *
 * `x_count` and `map_count` are the numbers of floats and must be exactly those products; `map` may
 * be NULL (`map_count` 0) and must not overlap x (CAE_ERR_ARGUMENT). The score is in squared units
 * of the values. CAE_ERR_NUMERIC when the frame, or what the model makes of it, is not finite; the
 * next frame is not affected. When the model's parameters have changed since the last run, this
 * one uses the new ones. Nothing is allocated, but for what more threads need in the first run
 * after cae_context_set_threads. Frames of more than 65,536 pixels are run in tiles, by all threads
 * of the context; smaller ones on the calling thread. The same bits for any number of threads. */
cae_status cae_scorer_run(double *score, float *map, size_t map_count, cae_scorer *scorer,
                          const float *x, size_t x_count);

/** Score all images of a dataset of clean ones and keep the threshold in the model: the
 * `quantile` of the scores, 0 < quantile <= 1, such as 0.99, by linear interpolation between the
 * two scores beside (n - 1) quantile (type 7 of Hyndman & Fan 1996, numpy's default). A frame whose
 * score is above it is rarer among clean images than 1 - quantile. `threshold` receives it and may
 * be NULL; NULL options are the defaults; `context` as in cae_model_forward, its threads share the
 * images; the same bits for any number of them, and the scores that cae_scorer_run gives. Model
 * files keep the threshold, with the quantile, the options and the number of images. It goes when
 * the parameters change. CAE_ERR_NUMERIC names an image whose score is not finite; a failed call
 * leaves the threshold that was there. */
cae_status cae_model_calibrate(double *threshold, cae_model *model, cae_context *context,
                               const cae_dataset *clean, double quantile,
                               const cae_scorer_options *options);

/** What cae_model_calibrate found, in this process or in the one that saved the model. Each result
 * may be NULL; `options` needs its size set (its init call does) and receives the kind and the
 * smoothing of the scores. CAE_ERR_ARGUMENT when the model was never calibrated, or its parameters
 * have changed since. */
cae_status cae_model_threshold(double *threshold, double *quantile, cae_scorer_options *options,
                               const cae_model *model);

/** @} */

#if defined __GNUC__ && !defined _WIN32
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
