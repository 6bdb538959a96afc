/* The forward pass, step by step, whatever the instruction set: the map of the whole engine.
 *
 *   embed → [ QKV → attention → project + residual → norm → feed up → feed down + residual → norm ] × layers → pool
 *
 * The residual stream stays in float. Every buffer is [tokens][columns], the texts laid end to end; only attention
 * and pooling know where one text ends.
 */
#include <string.h>
#include <time.h>

#include "checks.h"
#include "path.h"
#include "paths.h"
#include "pooling.h"

struct buffers {
    float *residual;   /* [tokens + slack][hidden] */
    void *activations; /* the same, as the path keeps them */
    void *wide;        /* [tokens + slack][3 × hidden], later [feed_rows + slack][inner] */
    void *attention;
    int32_t *positions; /* [tokens] */
    size_t bytes;
};

struct run {
    const struct path *path;
    const struct bert_model *model;
    const struct bert_texts *texts;
    struct buffers buffers;
    long tokens;
    struct bert_watch watch;
    uint64_t began_ns;
};

static int32_t precision_of(const struct bert_model *model) { return model->layer ? model->layer->qkv.precision : -1; }

static size_t bytes_of(const struct path *path, enum rows kind, long rows, long columns)
{
    return (size_t)(rows * path->row_bytes(kind, columns));
}

static struct buffers lay_out(const struct path *path, const struct bert_model *model, long tokens, long longest,
                              char *scratch)
{
    struct buffers laid;
    size_t used = 0;
    long rows = tokens + path->slack_rows;
    long fed_rows = (tokens < path->feed_rows ? tokens : path->feed_rows) + path->slack_rows;
    size_t qkv = bytes_of(path, ATTENTION, rows, 3 * model->hidden), fed = bytes_of(path, FED, fed_rows, model->inner);
    laid.residual = cut(scratch, &used, (size_t)rows * (size_t)model->hidden * sizeof(float));
    laid.activations = cut(scratch, &used, bytes_of(path, ACTIVATIONS, rows, model->hidden));
    laid.wide = cut(scratch, &used, qkv > fed ? qkv : fed);
    laid.attention = cut(scratch, &used, path->attention_bytes(longest, model->hidden / model->heads));
    laid.positions = cut(scratch, &used, (size_t)tokens * sizeof(int32_t));
    laid.bytes = used;
    return laid;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void clock_stage(struct run *run, enum bert_stage stage)
{
    if (!run->watch.stage_ns)
        return;
    uint64_t now = now_ns();
    run->watch.stage_ns[stage] += now - run->began_ns;
    run->began_ns = now;
}

/* Shows what goes into a product to whoever watches; in float32 alone, whose activations are floats without gaps. */
static void show(struct run *run, const void *inputs, long rows, long columns)
{
    if (!run->watch.inputs)
        return;
    memcpy(run->watch.inputs, inputs, (size_t)(rows * columns) * sizeof(float));
    run->watch.inputs += rows * columns;
}

static void embed(struct run *run)
{
    const struct bert_texts *texts = run->texts;
    number_positions(texts, run->model->pad_id, run->buffers.positions);
    run->path->embed(run->model, texts->ids, texts->types, run->buffers.positions, run->tokens, run->buffers.residual,
                     run->buffers.activations);
    clock_stage(run, BERT_EMBED);
}

static void attend(struct run *run, const struct bert_layer *layer)
{
    const struct buffers *at = &run->buffers;
    long hidden = run->model->hidden;
    show(run, at->activations, run->tokens, hidden);
    run->path->multiply(&layer->qkv, at->activations, ACTIVATIONS, run->tokens, BERT_IDENTITY, TO_ATTENTION, NULL,
                        at->wide);
    clock_stage(run, BERT_QKV);
    for (int32_t text = 0; text < run->texts->count; text++) {
        long start = run->texts->starts[text], tokens = run->texts->starts[text + 1] - start;
        run->path->attend((char *)at->wide + bytes_of(run->path, ATTENTION, start, 3 * hidden), tokens, hidden,
                          run->model->heads, at->attention, &layer->project,
                          (char *)at->activations + bytes_of(run->path, ACTIVATIONS, start, hidden));
    }
    clock_stage(run, BERT_ATTENTION);
    show(run, at->activations, run->tokens, hidden);
    run->path->multiply(&layer->project, at->activations, ACTIVATIONS, run->tokens, BERT_IDENTITY, ONTO_RESIDUAL, NULL,
                        at->residual);
    clock_stage(run, BERT_PROJECT);
}

static void feed(struct run *run, const struct bert_layer *layer)
{
    const struct buffers *at = &run->buffers;
    long hidden = run->model->hidden, at_once = run->path->feed_rows;
    show(run, at->activations, run->tokens, hidden);
    for (long row = 0; row < run->tokens; row += at_once) {
        long rows = run->tokens - row < at_once ? run->tokens - row : at_once;
        const char *inputs = (const char *)at->activations + bytes_of(run->path, ACTIVATIONS, row, hidden);
        run->path->multiply(&layer->feed_up, inputs, ACTIVATIONS, rows, run->model->activation, TO_ACTIVATIONS,
                            &layer->feed_down, at->wide);
        clock_stage(run, BERT_FEED_UP);
        show(run, at->wide, rows, run->model->inner);
        run->path->multiply(&layer->feed_down, at->wide, FED, rows, BERT_IDENTITY, ONTO_RESIDUAL, NULL,
                            at->residual + row * hidden);
        clock_stage(run, BERT_FEED_DOWN);
    }
}

static void normalize(struct run *run, const struct bert_norm *norm, const struct bert_linear *next,
                      const float *next_bias)
{
    run->path->normalize(norm, run->model->epsilon, next, next_bias, run->tokens, run->model->hidden,
                         run->buffers.residual, run->buffers.activations);
    clock_stage(run, BERT_NORMALIZE);
}

size_t bert_scratch_bytes(int32_t path, const struct bert_model *model, int32_t tokens, int32_t longest)
{
    const struct path *chosen = find_path(path, precision_of(model));
    if (!chosen || !is_sound_model(model) || tokens < 1 || longest < 1 || longest > tokens)
        return 0;
    return lay_out(chosen, model, tokens, longest, NULL).bytes;
}

int32_t bert_encode(int32_t path, const struct bert_model *model, const struct bert_texts *texts,
                    const int32_t *poolings, int32_t pooling_count, void *scratch, size_t scratch_bytes, float *vectors,
                    const struct bert_watch *watch)
{
    struct run run = {.path = find_path(path, precision_of(model)), .model = model, .texts = texts};
    if (watch)
        run.watch = *watch;
    if (!run.path || (run.watch.inputs && precision_of(model) != BERT_FLOAT32))
        return BERT_NO_PATH;
    if (!is_sound_model(model))
        return BERT_BAD_MODEL;
    if (!are_sound_texts(model, texts))
        return BERT_BAD_TEXTS;
    if (!are_sound_poolings(poolings, pooling_count) || !vectors)
        return BERT_BAD_POOLING;
    run.tokens = texts->starts[texts->count];
    if (lay_out(run.path, model, run.tokens, longest_text(texts), NULL).bytes > scratch_bytes || !scratch ||
        (uintptr_t)scratch % BERT_ALIGNMENT)
        return BERT_SMALL_SCRATCH;
    run.buffers = lay_out(run.path, model, run.tokens, longest_text(texts), scratch);
    run.began_ns = run.watch.stage_ns ? now_ns() : 0;
    embed(&run);
    for (int32_t layer = 0; layer < model->layers; layer++) {
        const struct bert_layer *this = &model->layer[layer], *next = layer + 1 < model->layers ? this + 1 : NULL;
        attend(&run, this);
        normalize(&run, &this->attended, &this->feed_up, this->feed_down.bias);
        feed(&run, this);
        normalize(&run, &this->fed, next ? &next->qkv : NULL, next ? next->project.bias : NULL);
    }
    pool(texts, run.buffers.residual, model->hidden, poolings, pooling_count, vectors);
    clock_stage(&run, BERT_POOL);
    make_whole(scratch, scratch_bytes);
    return BERT_OK;
}

size_t bert_dense_scratch_bytes(int32_t path, const struct bert_linear *dense, int32_t rows)
{
    const struct path *chosen = find_path(path, dense->precision);
    if (!chosen || !chosen->convert || !is_sound_linear(dense) || rows < 1)
        return 0;
    return bytes_of(chosen, ACTIVATIONS, rows + chosen->slack_rows, dense->inputs);
}

int32_t bert_dense(int32_t path, const struct bert_linear *dense, int32_t activation, const float *inputs, int32_t rows,
                   void *scratch, size_t scratch_bytes, float *outputs)
{
    const struct path *chosen = find_path(path, dense->precision);
    if (!chosen || !chosen->convert)
        return BERT_NO_PATH;
    if (!is_sound_linear(dense) || activation < BERT_IDENTITY || activation > BERT_TANH)
        return BERT_BAD_MODEL;
    if (rows < 1 || !inputs || !outputs)
        return BERT_BAD_TEXTS;
    if (!scratch || bytes_of(chosen, ACTIVATIONS, rows + chosen->slack_rows, dense->inputs) > scratch_bytes)
        return BERT_SMALL_SCRATCH;
    chosen->convert(inputs, rows, dense->inputs, scratch);
    chosen->multiply(dense, scratch, ACTIVATIONS, rows, activation, TO_FLOATS, NULL, outputs);
    return BERT_OK;
}

double bert_peak(int32_t path, int32_t precision, int64_t rounds)
{
    const struct path *chosen = find_path(path, precision);
    return chosen ? chosen->peak(rounds) : 0;
}
