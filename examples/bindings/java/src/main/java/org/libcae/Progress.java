package org.libcae;

/**
 * Where training stands.
 *
 * @param stopped      the listener ended this epoch() early
 * @param epochDone    the step just taken was the last of its epoch
 * @param step         optimizer steps taken in all
 * @param epoch        epochs completed
 * @param images       visited in this epoch, or in the one just completed
 * @param loss         of the step just taken; for epoch() the mean per image
 * @param epochLoss    mean per image since the epoch began
 * @param learningRate used in the step just taken
 * @param gradientNorm L2, before clipping
 */
public record Progress(boolean stopped, boolean epochDone, long step, long epoch, long images,
                       double loss, double epochLoss, double learningRate, double gradientNorm) {
    static Progress of(Structs.Progress from, boolean stopped) {
        return new Progress(stopped, from.epoch_done != 0, from.step, from.epoch, from.images, from.loss,
            from.epoch_loss, from.learning_rate, from.gradient_norm);
    }
}
