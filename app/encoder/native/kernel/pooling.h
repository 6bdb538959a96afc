/* The two ends of the forward pass that know where a text begins: its tokens' positions, and its vector. */
#ifndef POOLING_H
#define POOLING_H

#include <math.h>
#include <string.h>

#include "bert.h"

/* BERT counts from 0. RoBERTa counts its tokens from pad_id + 1 and gives each padding token the position pad_id
 * (fairseq's make_positions, as in transformers' create_position_ids_from_input_ids). */
static void number_positions(const struct bert_texts *texts, int32_t pad_id, int32_t *positions)
{
    for (int32_t text = 0; text < texts->count; text++) {
        int32_t counted = 0;
        for (int32_t token = texts->starts[text]; token < texts->starts[text + 1]; token++) {
            if (pad_id < 0)
                positions[token] = token - texts->starts[text];
            else
                positions[token] = texts->ids[token] == pad_id ? pad_id : pad_id + ++counted;
        }
    }
}

static void pool_mean(const float *states, long tokens, long hidden, float *vector)
{
    memset(vector, 0, (size_t)hidden * sizeof(float));
    for (long token = 0; token < tokens; token++)
        for (long i = 0; i < hidden; i++)
            vector[i] += states[token * hidden + i];
    for (long i = 0; i < hidden; i++)
        vector[i] /= (float)tokens;
}

/* A NaN stays, as in torch. */
static void pool_max(const float *states, long tokens, long hidden, float *vector)
{
    memcpy(vector, states, (size_t)hidden * sizeof(float));
    for (long token = 1; token < tokens; token++)
        for (long i = 0; i < hidden; i++) {
            float x = states[token * hidden + i];
            vector[i] = vector[i] >= x || isnan(vector[i]) ? vector[i] : x;
        }
}

static void pool_text(const float *states, long tokens, long hidden, int32_t pooling, float *vector)
{
    if (pooling == BERT_MEAN)
        pool_mean(states, tokens, hidden, vector);
    else if (pooling == BERT_MAX)
        pool_max(states, tokens, hidden, vector);
    else
        memcpy(vector, states + (pooling == BERT_LAST ? tokens - 1 : 0) * hidden, (size_t)hidden * sizeof(float));
}

/* [tokens][hidden] to [texts][poolings × hidden]; without poolings the states themselves. */
static void pool(const struct bert_texts *texts, const float *states, long hidden, const int32_t *poolings,
                 int32_t count, float *vectors)
{
    if (count == 0)
        memcpy(vectors, states, (size_t)texts->starts[texts->count] * (size_t)hidden * sizeof(float));
    for (int32_t text = 0; text < texts->count; text++)
        for (int32_t index = 0; index < count; index++)
            pool_text(states + texts->starts[text] * hidden, texts->starts[text + 1] - texts->starts[text], hidden,
                      poolings[index], vectors + ((long)text * count + index) * hidden);
}

#endif
