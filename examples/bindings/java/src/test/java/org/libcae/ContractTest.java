package org.libcae;

import static org.libcae.Tap.fails;
import static org.libcae.Tap.same;
import static org.libcae.Tap.that;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.libcae.ConvOptions.Activation;
import org.libcae.Model.Part;

/** The binding against what the C program of the contract wrote: the same bytes, the same doubles. */
public final class ContractTest {
    private static final ImageShape IMAGE = new ImageShape(3, 32, 32);

    private final Path contract = Path.of(System.getenv("CAE_CONTRACT"));
    private final Path scratch = Path.of(System.getenv("CAE_SCRATCH"));
    private final Map<String, String> expected = new HashMap<>();
    private final byte[] images = Files.readAllBytes(contract.resolve("images.u8"));
    private final Context context = new Context();
    private final Dataset data = new Dataset(context, images, IMAGE);
    private final Model model = newModel();
    private final Trainer trained = newTrainer(model, data);

    private ContractTest() throws IOException {
        for (String line : Files.readAllLines(contract.resolve("expected.txt")))
            expected.put(line.split(" ")[0], line.split(" ")[1]);
    }

    /** Without arguments all checks; with "version" only what loading the library says. */
    public static void main(String[] args) throws Exception {
        if (args.length > 0) {
            try {
                System.out.println(Cae.version());
            } catch (LibraryException refused) {
                System.out.println("LibraryException " + refused.getMessage());
            }
            return;
        }
        System.exit(new ContractTest().run());
    }

    private int run() {
        Tap tap = new Tap();
        tap.test("version and build info", this::version);
        tap.test("context: threads, cpu", this::contexts);
        tap.test("the reference network, layer by layer", this::network);
        tap.test("twenty steps: the loss", this::steps);
        tap.test("a residual network, all that can be drawn, a moving average", this::residual);
        tap.test("evaluation", () -> evaluates(model));
        tap.test("files: the same bytes", this::files);
        tap.test("reloaded: evaluation, forward, encode, decode", this::reloaded);
        tap.test("tensors and gradients", this::tensors);
        tap.test("errors: shape, io, format, options", this::errors);
        tap.test("errors: buffers that C would misread", this::buffers);
        tap.test("a callback stops, a callback throws, training goes on", this::callbacks);
        tap.test("close twice, use after close, close in any order", this::closing);
        tap.test("checkpoint and resume: the same bits", this::resume);
        tap.test("a borrowed dataset is the caller's memory", this::borrowed);
        tap.test("borrowed memory is kept alive", this::borrowedKept);
        tap.test("bytes NHWC, dead leaves, cifar10", this::datasets);
        tap.test("metrics and noise", this::metrics);
        tap.test("the collector gives back what nobody closed", this::collector);
        tap.test("one model, a context a thread", this::threads);
        tap.test("other libraries are refused", this::libraries);
        tap.test("the README: its command line, its example", this::readme);
        return tap.finish();
    }

    private Spec referenceSpec() {
        return new Spec(context)
            .conv(3, 8, new ConvOptions().activation(Activation.RELU))
            .conv(8, 8, new ConvOptions().activation(Activation.RELU))
            .endEncoder()
            .convTranspose(8, 8, new ConvOptions().activation(Activation.RELU))
            .convTranspose(8, 3);
    }

    private Model newModel() {
        return new Model(context, referenceSpec(), 7);
    }

    private static TrainerOptions options() {
        return new TrainerOptions().batch(16).seed(7).noiseSigma(0.1);
    }

    private static Trainer newTrainer(Model model, Dataset data) {
        return new Trainer(model, new Optimizer(model), data, options());
    }

    private double number(String name) {
        return Double.parseDouble(expected.get(name));
    }

    private void version() {
        that(Cae.version().matches("1\\.\\d+\\.\\d+"), Cae.version());
        that(Cae.versionNumber() >= 0x010100, "an older library");
        same(1, Cae.abiVersion());
        that(Cae.buildInfo().matches("libcae 1\\.\\d+\\.\\d+, .* kernels.*"), Cae.buildInfo());
    }

    private void contexts() {
        try (Context own = new Context(new ContextOptions().threads(2).cpu(ContextOptions.Cpu.BASELINE)
            .engine(ContextOptions.Engine.GEMM).log((level, text) -> { }))) {
            same(2, own.threads());
            same(ContextOptions.Cpu.BASELINE, own.cpu());
            own.setThreads(1);
            same(1, own.threads());
            fails(ArgumentException.class, "threads is -1", () -> own.setThreads(-1));
        }
    }

    private void network() {
        Model reference = Model.reference(context, 7);
        same(1611L, model.parameterCount());
        same(4, model.layerCount());
        same(reference.tensorNames(), model.tensorNames());
        same(List.of("0.weight", "0.bias", "2.weight"), model.tensorNames().subList(0, 3));
        same(new long[] {8, 8, 3, 3}, model.tensorShape("4.weight"));
        same(new long[] {3}, model.tensorShape("6.bias"));
        for (String name : model.tensorNames())
            same(reference.getTensor(name), model.getTensor(name));
        same(new ImageShape(8, 28, 28), model.outputShape(Part.ENCODER, 32, 32));
        same(new Model.Channels(3, 8), model.channels(Part.ENCODER));
    }

    private void steps() {
        Progress progress = null;
        for (int i = 0; i < 20; i++)
            progress = trained.step();
        same(number("loss"), progress.loss());
        same(20L, progress.step());
        same(1L, progress.epoch());
        same(true, progress.epochDone());
        same(progress, trained.progress());
        same(20L, trained.stepsPerEpoch());
    }

    private void residual() throws IOException {
        Model residual = new Model(context, referenceSpec().residual(true), 7);
        that(residual.residual() && !model.residual(), "residual");
        Trainer trainer = new Trainer(residual, new Optimizer(residual), data, options()
            .loss(TrainerOptions.Loss.CHARBONNIER).epsilon(0.01).noiseSigma(0.05).noiseSigmaMax(0.2)
            .augment(TrainerOptions.Augment.values()).averageDecay(0.9));
        Progress progress = null;
        for (int i = 0; i < 20; i++)
            progress = trainer.step();
        same(number("residual_loss"), progress.loss());
        Model average = trainer.average();
        trainer.close();
        that(average.residual(), "the average");
        same(Files.readAllBytes(contract.resolve("average.safetensors")), average.toBytes());
    }

    private void evaluates(Model model) {
        Evaluation e = model.evaluate(data, new EvaluationOptions().noiseSigma(0.1));
        same(number("mse"), e.mse());
        same(number("psnr"), e.psnr());
        same(number("ssim"), e.ssim());
        same(320L, e.images());
    }

    private void files() throws Exception {
        byte[] wanted = Files.readAllBytes(contract.resolve("model.safetensors"));
        model.save(scratch.resolve("model.safetensors"));
        byte[] saved = Files.readAllBytes(scratch.resolve("model.safetensors"));
        System.out.println("# sha256 model.safetensors "
            + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(saved)));
        same(wanted, saved);
        same(wanted, model.toBytes());
        byte[] onnx = Files.readAllBytes(contract.resolve("model.onnx"));
        model.exportOnnx(Part.WHOLE, scratch.resolve("model.onnx"));
        same(onnx, Files.readAllBytes(scratch.resolve("model.onnx")));
        same(onnx, model.toOnnx(Part.WHOLE));
    }

    private void reloaded() {
        Model loaded = Model.load(context, scratch.resolve("model.safetensors"));
        evaluates(loaded);
        evaluates(Model.fromBytes(context, model.toBytes()));
        Model other = new Model(context, new Spec(context).reference(), 3);
        other.loadWeights(scratch.resolve("model.safetensors"));
        evaluates(other);

        float[] x = data.get(0);
        float[] y = loaded.forward(x, 32, 32);
        same(3 * 32 * 32, y.length);
        same((float) number("first"), y[0]);
        float[] latent = loaded.encode(x, 32, 32);
        same(8 * 28 * 28, latent.length);
        same(y, loaded.decode(latent, 28, 28));

        // The same through direct memory that begins and ends elsewhere, with another context's threads.
        Context two = new Context(new ContextOptions().threads(2));
        FloatBuffer all = direct(4 * y.length);
        FloatBuffer in = all.slice(10, x.length).put(x).flip();
        FloatBuffer z = all.slice(y.length + 20, latent.length);
        loaded.encode(z, two, in, 32, 32);
        same(FloatBuffer.wrap(latent), z);
        FloatBuffer out = direct(y.length + 7);
        out.position(7);
        loaded.decode(out, two, z, 28, 28);
        same(FloatBuffer.wrap(y), out);
        same(7, out.position());
        float[] heap = new float[y.length + 2];
        loaded.forward(FloatBuffer.wrap(heap, 1, y.length), in.asReadOnlyBuffer(), 32, 32);
        same(y, Arrays.copyOfRange(heap, 1, 1 + y.length));
        same(0f, heap[0]);
        same(0f, heap[y.length + 1]);
        loaded.forward(FloatBuffer.wrap(heap, 1, y.length), FloatBuffer.wrap(x).asReadOnlyBuffer(), 32, 32);
        same(y, Arrays.copyOfRange(heap, 1, 1 + y.length));
    }

    private void tensors() {
        Model own = Model.reference(context, -1);
        own.setTensor("6.bias", new float[] {1, 2, 3});
        same(new float[] {1, 2, 3}, own.getTensor("6.bias"));
        fails(NumericException.class, "", () -> own.setTensor("6.bias", new float[] {1, Float.NaN, 3}));
        fails(NameException.class, "7.bias", () -> own.getTensor("7.bias"));
        float[] gradient = trained.gradient("0.weight");
        same(216, gradient.length);
        that(!Arrays.equals(gradient, new float[216]), "all zero");
    }

    private void errors() throws IOException {
        CaeException shape = fails(ShapeException.class, "4", () -> new Spec(context).conv(3, 8).conv(4, 8));
        same(-3, shape.status());
        same(-5, fails(CaeIoException.class, "missing: No such file",
            () -> Model.load(context, scratch.resolve("missing"))).status());
        Files.writeString(scratch.resolve("garbage"), "not a model, whatever its name says");
        same(-6, fails(FormatException.class, "garbage",
            () -> Model.load(context, scratch.resolve("garbage"))).status());
        same(-4, fails(OptionsException.class, "batch is 0",
            () -> new Trainer(model, new Optimizer(model), data, options().batch(0))).status());
        fails(OptionsException.class, "invalid options", // no context, no text of its own
            () -> new Context(new ContextOptions().threads(5000)));
    }

    private void buffers() {
        FloatBuffer y = direct(3072);
        FloatBuffer swapped = ByteBuffer.allocateDirect(4 * 3072).order(
            ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN)
            .asFloatBuffer();
        fails(IllegalArgumentException.class, "byte order", () -> model.forward(y, swapped, 32, 32));
        try {
            model.forward(y.asReadOnlyBuffer(), direct(3072), 32, 32);
            that(false, "a read-only result");
        } catch (java.nio.ReadOnlyBufferException expected) {
            // as NIO itself says it
        }
        fails(ShapeException.class, "3071", () -> Metrics.mse(new float[3072], new float[3071]));
        String few = "the input has 100 values, expected 1 x 3x32x32";
        fails(ShapeException.class, few, () -> model.forward(new float[100], 32, 32));
        fails(ShapeException.class, few, () -> model.encode(y, direct(100), 32, 32));
        same(0, model.forward(new float[0], 32, 32).length);
        fails(ShapeException.class, "1 images of 3x32x32 take 3072 bytes, the array has 100",
            () -> new Dataset(context, new byte[100], IMAGE));
        fails(ArgumentException.class, "0 images", () -> new Dataset(context, new byte[0], IMAGE));
        fails(IllegalArgumentException.class, "direct", () -> new Dataset(context, FloatBuffer.allocate(3072),
            IMAGE, new DatasetOptions().borrow(true)));
    }

    private void callbacks() throws IOException {
        Trainer trainer = newTrainer(newModel(), data);
        List<Long> seen = new ArrayList<>();
        Progress stopped = trainer.epoch(progress -> {
            seen.add(progress.step());
            return progress.step() < 3;
        });
        same(List.of(1L, 2L, 3L), seen);
        that(stopped.stopped() && stopped.step() == 3, stopped.toString());

        RuntimeException mine = new RuntimeException("mine");
        that(caught(() -> trainer.epoch(progress -> {
            throw mine;
        })) == mine, "another exception");
        fails(IllegalStateException.class, "callback", () -> trainer.epoch(progress -> {
            trainer.close();
            return true;
        }));
        same(6L, trainer.step().step());
        Progress done = trainer.epoch();
        that(!done.stopped() && done.epochDone() && done.step() == 20, done.toString());
        same(number("loss"), trainer.progress().loss());
    }

    private void closing() {
        Context own = new Context();
        Dataset leaves = Dataset.deadLeaves(own, 4, IMAGE, 1);
        Dataset part = leaves.slice(1, 2);
        own.close();
        own.close();
        fails(IllegalStateException.class, "this Context is closed", own::threads);
        fails(IllegalStateException.class, "this Context is closed", () -> new Spec(own));
        fails(ArgumentException.class, "2", () -> part.get(2)); // the text outlives close
        leaves.close();
        same(2L, part.count());
        part.close();
        fails(IllegalStateException.class, "this Dataset is closed", part::count);
    }

    private void resume() throws IOException {
        Trainer first = newTrainer(newModel(), data);
        for (int i = 0; i < 7; i++)
            first.step();
        first.save(scratch.resolve("checkpoint"));
        Model other = newModel();
        Trainer second = newTrainer(other, data);
        second.resume(scratch.resolve("checkpoint"));
        same(7L, second.progress().step());
        for (int i = 7; i < 20; i++)
            second.step();
        same(number("loss"), second.progress().loss());
        same(Files.readAllBytes(contract.resolve("model.safetensors")), other.toBytes());
    }

    private void borrowed() {
        ImageShape shape = new ImageShape(3, 4, 5);
        FloatBuffer pixels = direct(7 + 2 * 60).position(7);
        Dataset borrowed = new Dataset(context, pixels, shape, new DatasetOptions().borrow(true));
        Dataset copied = new Dataset(context, pixels, shape, new DatasetOptions());
        same(2L, borrowed.count());
        pixels.put(7 + 60, 0.5f);
        same(0.5f, borrowed.get(1)[0]);
        same(0f, copied.get(1)[0]);
    }

    private void borrowedKept() throws InterruptedException {
        FloatBuffer pixels = direct(320 * 3072);
        for (int i = 0; i < 320; i++)
            data.get(i, pixels.slice(3072 * i, 3072));
        Trainer trainer = newTrainer(newModel(),
            new Dataset(context, pixels, IMAGE, new DatasetOptions().borrow(true)).slice(0, 320));
        pixels = null;
        for (int i = 0; i < 20; i++) {
            System.gc();
            Thread.sleep(5);
            direct(320 * 3072).put(0, Float.NaN); // takes the place of what was freed
            trainer.step();
        }
        same(number("loss"), trainer.progress().loss());
    }

    private void datasets() throws IOException {
        byte[] nhwc = {0, (byte) 255, 51, 102}; // one image of 1x2 pixels, two channels
        Dataset pixels = new Dataset(context, ByteBuffer.wrap(nhwc), new ImageShape(2, 1, 2),
            new DatasetOptions().layout(DatasetOptions.Layout.NHWC).scale(DatasetOptions.Scale.UNIT));
        same(new float[] {0, 51 / 255f, 1, 102 / 255f}, pixels.get(0));
        same(1.0, pixels.range());

        Dataset leaves = Dataset.deadLeaves(context, 320, IMAGE, 7);
        same(IMAGE, leaves.shape());
        same(data.get(319), leaves.get(319));

        byte[] records = new byte[2 * 3073];
        Arrays.fill(records, (byte) 255);
        records[0] = records[3073] = 9;
        Files.write(scratch.resolve("test_batch.bin"), records);
        Dataset cifar = Dataset.cifar10(context, scratch, Dataset.Split.TEST, new DatasetOptions());
        same(2L, cifar.count());
        same(1f, cifar.get(1)[0]);
    }

    private void metrics() {
        float[] x = data.get(0);
        float[] noisy = x.clone();
        Metrics.addNoise(noisy, 0.1, 123, Metrics.VISIT_EVALUATION, 0);
        Evaluation one = model.evaluate(data.slice(0, 1), new EvaluationOptions().noiseSigma(0.1));
        same(one.noisyMse(), Metrics.mse(noisy, x));
        same(one.noisyPsnr(), Metrics.psnr(noisy, x, 2));
        same(one.noisySsim(), Metrics.ssim(context, noisy, x, IMAGE, 2, Metrics.Window.GAUSSIAN11));
        same(one.noisySsimUniform7(), Metrics.ssim(context, noisy, x, IMAGE, 2, Metrics.Window.UNIFORM7));
        same(Double.POSITIVE_INFINITY, Metrics.psnr(x, x, 2));
    }

    private void collector() throws Exception {
        byte[] pixels = new byte[3 << 20];
        new Random(1).nextBytes(pixels);
        long before = resident();
        for (int i = 0; i < 100; i++) {
            new Dataset(context, pixels, new ImageShape(3, 1024, 1024)); // a copy
            if (i % 10 == 9) {
                System.gc();
                Thread.sleep(20);
            }
        }
        that(resident() - before < 150 << 20, resident() - before + " bytes more");
    }

    /** Bytes of the process in memory. */
    private static long resident() throws IOException {
        return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]) * 4096;
    }

    private void threads() throws InterruptedException {
        FloatBuffer x = direct(3072).put(data.get(0)).flip();
        float[] wanted = model.forward(data.get(0), 32, 32);
        List<Thread> threads = new ArrayList<>();
        List<Object> wrong = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int t = 0; t < 3; t++) {
            Thread thread = new Thread(() -> {
                try (Context own = new Context()) {
                    FloatBuffer y = direct(3072);
                    for (int i = 0; i < 20; i++) {
                        model.forward(y, own, x, 32, 32);
                        if (!y.equals(FloatBuffer.wrap(wanted)))
                            wrong.add(i);
                    }
                } catch (Throwable thrown) {
                    wrong.add(thrown);
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads)
            thread.join();
        same(List.of(), wrong);
    }

    private void libraries() throws Exception {
        starts("LibraryException ", "found libcae 0.9.0, needed is 1.1.0",
            load(System.getenv("CAE_LIBRARY_OLDER")));
        starts("LibraryException ", "9.0.0 has ABI version 9, needed is 1",
            load(System.getenv("CAE_LIBRARY_OTHER_ABI")));
        starts("LibraryException ", "cae_abi_version", load("libm.so.6"));
        String missing = scratch.resolve("missing.so").toString();
        starts("LibraryException libcae was not found: " + missing + ": ", "set CAE_LIBRARY", load(missing));
        starts(Cae.version(), "", load("")); // the system's search
    }

    /** test.sh makes the folder with the two archives in it. */
    private void readme() throws Exception {
        String text = Files.readString(Path.of(System.getenv("CAE_README")));
        Path folder = scratch.resolve("readme");
        Files.writeString(folder.resolve("Example.java"), find("(?ms)^```java\n(.*?)^```$", text));
        ProcessBuilder builder = new ProcessBuilder("sh", "-c", find("(?m)^    (java -cp .*)$", text))
            .directory(folder.toFile()).redirectErrorStream(true);
        builder.environment().put("JDK_JAVA_OPTIONS", "-Djna.tmpdir=" + System.getProperty("jna.tmpdir"));
        String output = new String(builder.start().getInputStream().readAllBytes());
        that(output.endsWith(" dB\n") && Files.exists(folder.resolve("model.safetensors")), output);
    }

    private static String find(String pattern, String text) {
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        that(matcher.find(), "nothing like " + pattern);
        return matcher.group(1);
    }

    /** What a new process says that loads this library. */
    private String load(String path) throws Exception {
        List<String> command = new ArrayList<>(List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1",
            "-Djna.tmpdir=" + System.getProperty("jna.tmpdir"), "-cp", System.getProperty("java.class.path"),
            ContractTest.class.getName(), "version"));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("CAE_LIBRARY", path);
        return new String(builder.start().getInputStream().readAllBytes());
    }

    private static void starts(String start, String inside, String text) {
        that(text.startsWith(start) && text.contains(inside), text);
    }

    private static Throwable caught(Tap.Body body) {
        try {
            body.run();
        } catch (Throwable thrown) {
            return thrown;
        }
        return null;
    }

    private static FloatBuffer direct(int count) {
        return ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }
}
