package org.libcae;

import com.sun.jna.Pointer;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;

/** A network with its parameters. Images are [count][channels][height][width]. */
public final class Model extends Handle {
    /** Parts of a model. */
    public enum Part { ENCODER, DECODER, WHOLE }

    /** Channels that a part reads and writes. */
    public record Channels(int in, int out) {
    }

    /** @param seed unsigned; the same one gives the same bits on every machine */
    public Model(Context context, Spec spec, long seed) {
        this(context, create(context.home, out ->
            Cae.library().cae_model_create(out, context.address(), spec.address(), seed)));
        Reference.reachabilityFence(spec);
    }

    private Model(Context context, Pointer address) {
        this(context.home, address);
    }

    Model(Home home, Pointer address) {
        super(home, address, Cae.library()::cae_model_destroy, null);
    }

    /** The reference network, 3 to 8 to 8 and back. */
    public static Model reference(Context context, long seed) {
        return new Model(context, create(context.home, out ->
            Cae.library().cae_model_create_reference(out, context.address(), seed)));
    }

    public static Model load(Context context, Path path) {
        return new Model(context, create(context.home, out ->
            Cae.library().cae_model_load(out, context.address(), path.toString())));
    }

    public static Model fromBytes(Context context, byte[] bytes) {
        return new Model(context, create(context.home, out ->
            Cae.library().cae_model_load_memory(out, context.address(), ByteBuffer.wrap(bytes),
                new SizeT(bytes.length))));
    }

    public long parameterCount() {
        return with(Cae.library()::cae_model_parameter_count);
    }

    public int layerCount() {
        return with(Cae.library()::cae_model_layer_count);
    }

    /** Whether the whole model adds its input to what its layers make of it. */
    public boolean residual() {
        return with(Cae.library()::cae_model_residual) == 1;
    }

    /** Such as "4.weight", in the file's order. */
    public List<String> tensorNames() {
        LibCae lib = Cae.library();
        return with(model -> IntStream.range(0, lib.cae_model_tensor_count(model))
            .mapToObj(index -> lib.cae_model_tensor_name(model, index)).toList());
    }

    /** Extents: four for weights, one for biases. */
    public long[] tensorShape(String name) {
        long[] shape = new long[4];
        int[] rank = new int[1];
        home.check(Cae.library().cae_model_tensor_shape(shape, rank, address(), name));
        return Arrays.copyOf(shape, rank[0]);
    }

    /** A copy of a tensor. */
    public float[] getTensor(String name) {
        float[] values = new float[elements(name)];
        getTensor(name, FloatBuffer.wrap(values));
        return values;
    }

    public void getTensor(String name, FloatBuffer out) {
        FloatBuffer values = Buffers.out(out);
        home.check(Cae.library().cae_model_get_tensor(values, sizeOf(values), address(), name));
    }

    public void setTensor(String name, float[] values) {
        setTensor(name, FloatBuffer.wrap(values));
    }

    /** A value that is not finite is refused and leaves the tensor as it was. */
    public void setTensor(String name, FloatBuffer from) {
        FloatBuffer values = Buffers.in(from);
        home.check(Cae.library().cae_model_set_tensor(address(), name, values, sizeOf(values)));
    }

    /** What a part makes of an input of height x width. */
    public ImageShape outputShape(Part part, int height, int width) {
        int[] c = new int[1];
        int[] h = new int[1];
        int[] w = new int[1];
        home.check(Cae.library().cae_model_output_shape(c, h, w, address(), null,
            part.ordinal(), height, width));
        return new ImageShape(c[0], h[0], w[0]);
    }

    public Channels channels(Part part) {
        int[] in = new int[1];
        int[] out = new int[1];
        home.check(Cae.library().cae_model_channels(in, out, address(), null, part.ordinal()));
        return new Channels(in[0], out[0]);
    }

    /** Run the whole model on as many images as x holds. */
    public float[] forward(float[] x, int height, int width) {
        return run(Part.WHOLE, x, height, width);
    }

    /** The same from x's position to its limit, into y; direct buffers are not copied. */
    public void forward(FloatBuffer y, FloatBuffer x, int height, int width) {
        run(Part.WHOLE, y, null, x, height, width);
    }

    /** The same, with the threads, scratch and error text of another context than the model's. */
    public void forward(FloatBuffer y, Context lent, FloatBuffer x, int height, int width) {
        run(Part.WHOLE, y, lent, x, height, width);
    }

    /** Images to latents. */
    public float[] encode(float[] x, int height, int width) {
        return run(Part.ENCODER, x, height, width);
    }

    public void encode(FloatBuffer latent, FloatBuffer x, int height, int width) {
        run(Part.ENCODER, latent, null, x, height, width);
    }

    public void encode(FloatBuffer latent, Context lent, FloatBuffer x, int height, int width) {
        run(Part.ENCODER, latent, lent, x, height, width);
    }

    /** Latents of height x width to images. */
    public float[] decode(float[] latent, int height, int width) {
        return run(Part.DECODER, latent, height, width);
    }

    public void decode(FloatBuffer y, FloatBuffer latent, int height, int width) {
        run(Part.DECODER, y, null, latent, height, width);
    }

    public void decode(FloatBuffer y, Context lent, FloatBuffer latent, int height, int width) {
        run(Part.DECODER, y, lent, latent, height, width);
    }

    public Evaluation evaluate(Dataset dataset) {
        return evaluate(null, dataset, new EvaluationOptions());
    }

    public Evaluation evaluate(Dataset dataset, EvaluationOptions options) {
        return evaluate(null, dataset, options);
    }

    /** Run the model over a dataset and compare; `lent` as in forward, or null. */
    public Evaluation evaluate(Context lent, Dataset dataset, EvaluationOptions options) {
        Structs.Evaluation out =
            Options.init(new Structs.Evaluation(), Cae.library()::cae_evaluation_init);
        callWith(lent, context -> Cae.library().cae_model_evaluate(out, address(), context,
            dataset.address(), options.struct));
        Reference.reachabilityFence(dataset);
        return Evaluation.of(out);
    }

    public void save(Path path) {
        home.check(Cae.library().cae_model_save(address(), path.toString()));
    }

    /** The bytes that save writes. */
    public byte[] toBytes() {
        return bytes((buffer, written) -> Cae.library().cae_model_save_memory(buffer,
            new SizeT(buffer == null ? 0 : buffer.length), written, address()));
    }

    /** Parameters from a file without an architecture, such as a PyTorch state dict. */
    public void loadWeights(Path path) {
        home.check(Cae.library().cae_model_load_weights(address(), path.toString()));
    }

    public void exportOnnx(Part part, Path path) {
        home.check(Cae.library().cae_model_export_onnx(address(), part.ordinal(), path.toString()));
    }

    public byte[] toOnnx(Part part) {
        return bytes((buffer, written) -> Cae.library().cae_model_export_onnx_memory(buffer,
            new SizeT(buffer == null ? 0 : buffer.length), written, address(), part.ordinal()));
    }

    /** The number of elements of a tensor. */
    int elements(String name) {
        long count = 1;
        for (long extent : tensorShape(name))
            count *= extent;
        return Math.toIntExact(count);
    }

    private <T> T with(Function<Pointer, T> call) {
        try {
            return call.apply(address());
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** A call with a context of its own (or null), which then has the text of its error. */
    private void callWith(Context lent, Function<Pointer, Integer> call) {
        if (lent == null)
            home.check(call.apply(null));
        else
            lent.home.check(call.apply(lent.address()));
        Reference.reachabilityFence(this);
    }

    private float[] run(Part part, float[] x, int height, int width) {
        float[] y = new float[Math.toIntExact(
            count(part, x.length, height, width) * outputShape(part, height, width).size())];
        run(part, FloatBuffer.wrap(y), null, FloatBuffer.wrap(x), height, width);
        return y;
    }

    private void run(Part part, FloatBuffer to, Context lent, FloatBuffer from, int height, int width) {
        LibCae lib = Cae.library();
        FloatBuffer y = Buffers.out(to);
        FloatBuffer x = Buffers.in(from);
        long count = Math.max(count(part, x.remaining(), height, width), Math.min(x.remaining(), 1));
        callWith(lent, context -> switch (part) {
            case ENCODER -> lib.cae_model_encode(y, sizeOf(y), address(), context, x, sizeOf(x), count,
                height, width);
            case DECODER -> lib.cae_model_decode(y, sizeOf(y), address(), context, x, sizeOf(x), count,
                height, width);
            case WHOLE -> lib.cae_model_forward(y, sizeOf(y), address(), context, x, sizeOf(x), count,
                height, width);
        });
    }

    /** Whole images in `length` values. A remainder, or less than one image, is left for C to refuse. */
    private long count(Part part, int length, int height, int width) {
        int[] in = new int[1];
        with(model -> Cae.library().cae_model_channels(in, null, model, null, part.ordinal()));
        return length / Math.max(1, (long) in[0] * height * width);
    }

    private static SizeT sizeOf(FloatBuffer buffer) {
        return new SizeT(buffer.remaining());
    }

    private interface Writer {
        int write(byte[] buffer, SizeT.Out written);
    }

    /** First the size, then the bytes. */
    private byte[] bytes(Writer writer) {
        SizeT.Out size = new SizeT.Out();
        home.check(writer.write(null, size));
        byte[] bytes = new byte[Math.toIntExact(size.value())];
        home.check(writer.write(bytes, size));
        return bytes;
    }
}
