package org.libcae;

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.nio.Buffer;
import java.nio.FloatBuffer;

/**
 * The functions of cae.h as JNA maps them: handles are Pointers, size_t is SizeT, unsigned integers travel
 * as the signed ones of their size. Buffers, heap or direct, come from the class Buffers.
 */
interface LibCae extends Library {
    /** cae_log_fn: called on the thread that called the library. */
    interface LogFn extends Callback {
        void invoke(Pointer user, int level, String text);
    }

    /** cae_progress_fn: called after every step, on the caller's thread; non-zero ends the epoch. */
    interface ProgressFn extends Callback {
        int invoke(Pointer user, Pointer progress);
    }

    int cae_version_number();

    String cae_version_string();

    int cae_abi_version();

    SizeT cae_build_info(byte[] text, SizeT capacity);

    String cae_status_string(int status);

    int cae_context_options_init(Structs.ContextOptions options, int size);

    int cae_context_create(PointerByReference out, Structs.ContextOptions options);

    void cae_context_destroy(Pointer context);

    String cae_context_error(Pointer context);

    int cae_context_set_threads(Pointer context, int threads);

    int cae_context_threads(Pointer context);

    int cae_context_cpu(Pointer context);

    int cae_conv_options_init(Structs.ConvOptions options, int size);

    int cae_spec_create(PointerByReference out, Pointer context);

    void cae_spec_destroy(Pointer spec);

    int cae_spec_add_conv(Pointer spec, int in_channels, int out_channels,
        Structs.ConvOptions options);

    int cae_spec_add_conv_transpose(Pointer spec, int in_channels, int out_channels,
        Structs.ConvOptions options);

    int cae_spec_end_encoder(Pointer spec);

    int cae_spec_set_residual(Pointer spec, int residual);

    int cae_spec_add_reference(Pointer spec);

    int cae_model_create(PointerByReference out, Pointer context, Pointer spec, long seed);

    int cae_model_create_reference(PointerByReference out, Pointer context, long seed);

    void cae_model_destroy(Pointer model);

    long cae_model_parameter_count(Pointer model);

    int cae_model_layer_count(Pointer model);

    int cae_model_residual(Pointer model);

    int cae_model_tensor_count(Pointer model);

    String cae_model_tensor_name(Pointer model, int index);

    int cae_model_tensor_shape(long[] shape, int[] rank, Pointer model, String name);

    int cae_model_get_tensor(FloatBuffer values, SizeT count, Pointer model, String name);

    int cae_model_set_tensor(Pointer model, String name, FloatBuffer values, SizeT count);

    int cae_model_output_shape(int[] out_channels, int[] out_height, int[] out_width, Pointer
        model, Pointer context, int part, int height, int width);

    int cae_model_channels(int[] in_channels, int[] out_channels, Pointer model,
        Pointer context, int part);

    int cae_model_forward(FloatBuffer y, SizeT y_count, Pointer model, Pointer context,
        FloatBuffer x, SizeT x_count, long count, int height, int width);

    int cae_model_encode(FloatBuffer latent, SizeT latent_count, Pointer model, Pointer context,
        FloatBuffer x, SizeT x_count, long count, int height, int width);

    int cae_model_decode(FloatBuffer y, SizeT y_count, Pointer model, Pointer context, FloatBuffer
        latent, SizeT latent_count, long count, int height, int width);

    int cae_model_save(Pointer model, String path);

    int cae_model_load(PointerByReference out, Pointer context, String path);

    int cae_model_save_memory(byte[] buffer, SizeT capacity, SizeT.Out written,
        Pointer model);

    int cae_model_load_memory(PointerByReference out, Pointer context, Buffer data, SizeT size);

    int cae_model_load_weights(Pointer model, String path);

    int cae_model_export_onnx(Pointer model, int part, String path);

    int cae_model_export_onnx_memory(byte[] buffer, SizeT capacity, SizeT.Out written,
        Pointer model, int part);

    int cae_dataset_options_init(Structs.DatasetOptions options, int size);

    int cae_dataset_create(PointerByReference out, Pointer context, Buffer data, SizeT bytes, long
        count, int channels, int height, int width, Structs.DatasetOptions options);

    int cae_dataset_open_cifar10(PointerByReference out, Pointer context, String directory, int
        split, Structs.DatasetOptions options);

    int cae_dataset_create_dead_leaves(PointerByReference out, Pointer context, long count, int
        channels, int height, int width, long seed, Structs.DatasetOptions options);

    int cae_dataset_slice(PointerByReference out, Pointer dataset, long first, long count);

    void cae_dataset_destroy(Pointer dataset);

    long cae_dataset_count(Pointer dataset);

    int cae_dataset_shape(int[] channels, int[] height, int[] width, Pointer dataset);

    double cae_dataset_range(Pointer dataset);

    int cae_dataset_get(FloatBuffer pixels, SizeT pixel_count, Pointer dataset, long index);

    int cae_add_noise(FloatBuffer values, SizeT count, double sigma, long seed, int visit,
        long image);

    int cae_mse(double[] out, Pointer context, FloatBuffer a, FloatBuffer b, SizeT count);

    int cae_psnr(double[] out, Pointer context, FloatBuffer a, FloatBuffer b, SizeT count, double
        data_range);

    int cae_ssim(double[] out, Pointer context, FloatBuffer a, FloatBuffer b, int channels, int
        height, int width, double data_range, int kind);

    int cae_optimizer_options_init(Structs.OptimizerOptions options, int size);

    int cae_optimizer_create(PointerByReference out, Pointer model,
        Structs.OptimizerOptions options);

    void cae_optimizer_destroy(Pointer optimizer);

    double cae_optimizer_learning_rate(Pointer optimizer);

    int cae_optimizer_set_learning_rate(Pointer optimizer, double learning_rate);

    int cae_trainer_options_init(Structs.TrainerOptions options, int size);

    int cae_progress_init(Structs.Progress progress, int size);

    int cae_trainer_create(PointerByReference out, Pointer model, Pointer optimizer, Pointer
        dataset, Structs.TrainerOptions options);

    void cae_trainer_destroy(Pointer trainer);

    int cae_trainer_step(Structs.Progress out, Pointer trainer);

    int cae_trainer_epoch(Structs.Progress out, Pointer trainer, ProgressFn callback,
        Pointer user);

    long cae_trainer_steps_per_epoch(Pointer trainer);

    int cae_trainer_progress(Structs.Progress out, Pointer trainer);

    int cae_trainer_get_gradient(FloatBuffer values, SizeT count, Pointer trainer, String name);

    int cae_trainer_average(PointerByReference out, Pointer trainer);

    int cae_trainer_save(Pointer trainer, String path);

    int cae_trainer_resume(Pointer trainer, String path);

    int cae_evaluation_options_init(Structs.EvaluationOptions options, int size);

    int cae_evaluation_init(Structs.Evaluation evaluation, int size);

    int cae_model_evaluate(Structs.Evaluation out, Pointer model, Pointer context, Pointer
        dataset, Structs.EvaluationOptions options);
}
