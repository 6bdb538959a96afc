/* What must hold before any arithmetic. Python has checked all of it; a slip there must not become a wild read here. */
#ifndef CHECKS_H
#define CHECKS_H

#include <stdbool.h>

#include "bert.h"

#define LARGEST_SIDE 65536
#define MOST_TOKENS (1 << 20)

static inline bool is_sound_linear(const struct bert_linear *linear)
{
    return linear->weights && linear->bias && linear->inputs > 0 && linear->inputs % 2 == 0 &&
           linear->inputs <= LARGEST_SIDE && linear->outputs > 0 && linear->outputs % 64 == 0 &&
           linear->outputs <= LARGEST_SIDE &&
           (linear->precision != BERT_INT8 ||
            (linear->scale && linear->sums && linear->stretch && linear->offset && linear->inputs % 64 == 0));
}

static inline bool is_linear_of(const struct bert_linear *linear, int32_t precision, int32_t inputs, int32_t outputs)
{
    return is_sound_linear(linear) && linear->precision == precision && linear->inputs == inputs &&
           linear->outputs == outputs;
}

static inline bool is_sound_layer(const struct bert_layer *layer, int32_t precision, int32_t hidden, int32_t inner)
{
    return is_linear_of(&layer->qkv, precision, hidden, 3 * hidden) &&
           is_linear_of(&layer->project, precision, hidden, hidden) &&
           is_linear_of(&layer->feed_up, precision, hidden, inner) &&
           is_linear_of(&layer->feed_down, precision, inner, hidden) && layer->attended.gain && layer->attended.bias &&
           layer->fed.gain && layer->fed.bias;
}

static inline bool is_sound_model(const struct bert_model *model)
{
    if (model->hidden < 64 || model->hidden > LARGEST_SIDE / 4 || model->hidden % 64 || model->heads < 1 ||
        model->heads > model->hidden / BERT_COLUMNS || model->hidden % (model->heads * BERT_COLUMNS) ||
        model->hidden / model->heads > 256 || model->inner < 64 || model->inner % 64 || model->layers < 1 ||
        model->vocabulary < 1 || model->types < 1 || model->positions < 1 || model->activation < BERT_IDENTITY ||
        model->activation > BERT_TANH || !model->layer || !model->words || !model->position || !model->type ||
        !model->embedded.gain || !model->embedded.bias || model->pad_id < -1 || model->pad_id >= model->positions)
        return false;
    int32_t precision = model->layer->qkv.precision;
    for (int32_t layer = 0; layer < model->layers; layer++)
        if (!is_sound_layer(&model->layer[layer], precision, model->hidden, model->inner))
            return false;
    return model->words_precision == (precision == BERT_INT8 ? BERT_BFLOAT16 : precision);
}

/* Positions that a text may have: RoBERTa's begin after pad_id. */
static inline int32_t longest_allowed(const struct bert_model *model) { return model->positions - (model->pad_id + 1); }

static inline bool are_sound_texts(const struct bert_model *model, const struct bert_texts *texts)
{
    if (!texts->ids || !texts->types || !texts->starts || texts->count < 1 || texts->starts[0] != 0)
        return false;
    for (int32_t text = 0; text < texts->count; text++) {
        int64_t tokens = (int64_t)texts->starts[text + 1] - texts->starts[text];
        if (tokens < 1 || tokens > longest_allowed(model) || texts->starts[text + 1] > MOST_TOKENS)
            return false;
    }
    for (int32_t token = 0; token < texts->starts[texts->count]; token++)
        if (texts->ids[token] < 0 || texts->ids[token] >= model->vocabulary || texts->types[token] < 0 ||
            texts->types[token] >= model->types)
            return false;
    return true;
}

static inline int32_t longest_text(const struct bert_texts *texts)
{
    int32_t longest = 0;
    for (int32_t text = 0; text < texts->count; text++)
        if (texts->starts[text + 1] - texts->starts[text] > longest)
            longest = texts->starts[text + 1] - texts->starts[text];
    return longest;
}

static inline bool are_sound_poolings(const int32_t *poolings, int32_t count)
{
    if (count < 0 || count > 8 || (count && !poolings))
        return false;
    for (int32_t index = 0; index < count; index++)
        if (poolings[index] < BERT_MEAN || poolings[index] > BERT_LAST)
            return false;
    return true;
}

#endif
