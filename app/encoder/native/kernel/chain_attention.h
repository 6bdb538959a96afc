/* One text's attention on vectors, head by head, as the tile unit would do it: chain_product.h makes the products. What
 * a head has mixed takes its queries' place, until all heads' are there and become a row of bytes. */

#define MOST_HEAD_COLUMNS 256 /* checks.h refuses wider heads */

/* Scratch of one head, in floats: its keys and values as panels, and some rows of queries, of scores and of powers.
 * What is missing from the last 32 inputs is zeros, as in a tile. */
struct chain_scratch {
    float *keys, *values, *queries, *scores, *powers;
};

static struct chain_scratch cut_chain_scratch(void *scratch, size_t *used, long tokens, long head)
{
    const size_t keys = (size_t)round_up(tokens, CHAIN_INPUTS), columns = (size_t)round_up(head, CHAIN_INPUTS);
    struct chain_scratch parts;
    parts.keys = cut(scratch, used, keys * columns * sizeof(float));
    parts.values = cut(scratch, used, keys * (size_t)head * sizeof(float));
    parts.queries = cut(scratch, used, CHAIN_ROWS * columns * sizeof(float));
    parts.scores = cut(scratch, used, CHAIN_ROWS * keys * sizeof(float));
    parts.powers = cut(scratch, used, CHAIN_ROWS * keys * sizeof(float));
    return parts;
}

static size_t attention_bytes(long tokens, long head)
{
    size_t used = 0;
    cut_chain_scratch(NULL, &used, tokens, head);
    return used;
}

/* One head of one text. */
struct head {
    element *queries;
    long stride, tokens, columns, wide, keys; /* `wide`, `keys`: columns and tokens with what fills up the last 32 */
    float by;                                 /* scores to what v_power takes */
    struct chain_scratch at;
};

/* A row of elements as floats, and zeros to the end of the last 32. */
INLINE void widen_row(const element *from, const struct head *head, float *to)
{
    for (long i = 0; i < head->columns; i += LANES)
        v_store(to + i, load_element(from + i));
    for (long i = head->columns; i < head->wide; i += LANES)
        v_store(to + i, v_zero());
}

/* Keys turned round, so that scores are a product like any other: 16 tokens are a panel's columns. */
static void widen_keys(const struct head *head, const element *keys)
{
    float row[MOST_HEAD_COLUMNS];
    for (long token = 0; token < head->keys; token++) {
        float *panel = head->at.keys + token / BERT_COLUMNS * BERT_COLUMNS * head->wide + token % BERT_COLUMNS;
        if (token < head->tokens)
            widen_row(keys + token * head->stride, head, row);
        for (long i = 0; i < head->wide; i++)
            panel[i * BERT_COLUMNS] = token < head->tokens ? row[i] : 0;
    }
}

static void widen_values(const struct head *head, const element *values)
{
    for (long first = 0; first < head->columns; first += BERT_COLUMNS)
        for (long token = 0; token < head->keys; token++)
            UNROLL for (long i = 0; i < BERT_COLUMNS; i += LANES)
                v_store(head->at.values + (first * head->keys + token * BERT_COLUMNS) + i,
                        token < head->tokens ? load_element(values + token * head->stride + first + i) : v_zero());
}

/* One row of scores to weights of values, not divided by their sum, which is returned (of the weights before they are
 * rounded), and the latest of the scores' wholes. */
INLINE float softmax(const struct head *head, const float *scores, float shift, float *powers, float *latest)
{
    vector sum[PANEL_VECTORS], late = v_all(-INFINITY);
    UNROLL for (int v = 0; v < PANEL_VECTORS; v++)
        sum[v] = v_zero();
    for (long first = 0; first < head->keys; first += 2 * BERT_COLUMNS)
        UNROLL for (int v = 0; v < PANEL_VECTORS; v++) {
            vector power[2];
            UNROLL for (int half = 0; half < 2; half++) {
                const long at = first + half * BERT_COLUMNS + v * LANES, here = head->tokens - at;
                vector x = v_subtract(v_multiply(v_load(scores + at), v_all(head->by)), v_all(shift));
                vector whole = v_whole(x);
                power[half] = v_power(x, whole);
                if (here < LANES) {
                    whole = v_first_lanes(whole, here < 0 ? 0 : here, v_all(-INFINITY));
                    power[half] = v_first_lanes(power[half], here < 0 ? 0 : here, v_zero());
                }
                late = v_later(late, whole);
                v_store(powers + at, v_round_bf16(power[half]));
            }
            sum[v] = v_add(sum[v], v_add(power[0], power[1]));
        }
    *latest = v_latest(late);
    return v_sum_16(sum);
}

/* A row whose largest score is far from 0, once more, with that taken off first. */
static __attribute__((noinline)) float softmax_far(const struct head *head, const float *scores, float *powers)
{
    float largest = -INFINITY, latest;
    for (long i = 0; i < head->tokens; i++)
        largest = largest > scores[i] * head->by ? largest : scores[i] * head->by;
    return softmax(head, scores, largest, powers, &latest);
}

static void attend_head(const struct head *head)
{
    float mixed[CHAIN_ROWS * MOST_HEAD_COLUMNS], shares[CHAIN_ROWS], latest;
    const struct chain_scratch *at = &head->at;
    const struct chains scoring = {at->queries, head->wide, at->keys, head->wide, at->scores, head->keys};
    const struct chains mixing = {at->powers, head->keys, at->values, head->keys, mixed, head->columns};
    for (long row = 0; row < head->tokens; row += CHAIN_ROWS) {
        const long rows = head->tokens - row < CHAIN_ROWS ? head->tokens - row : CHAIN_ROWS;
        element *queries = head->queries + row * head->stride;
        for (long r = 0; r < rows; r++)
            widen_row(queries + r * head->stride, head, at->queries + r * head->wide);
        multiply_chains(rows, scoring, head->keys);
        for (long r = 0; r < rows; r++) {
            const float *scores = at->scores + r * head->keys;
            float *powers = at->powers + r * head->keys, sum = softmax(head, scores, 0, powers, &latest);
            shares[r] = 1.0f / (is_near_zero(latest) ? sum : softmax_far(head, scores, powers));
        }
        multiply_chains(rows, mixing, head->columns);
        for (long r = 0; r < rows; r++)
            for (long i = 0; i < head->columns; i += LANES)
                store(queries + r * head->stride + i,
                      v_multiply(v_load(mixed + r * head->columns + i), v_all(shares[r])));
    }
}

static void attend(void *qkv, long tokens, long hidden, long heads, void *scratch, const struct bert_linear *next,
                   void *mixed)
{
    size_t used = 0;
    make_whole(scratch, attention_bytes(tokens, hidden / heads));
    struct head head = {.stride = 3 * hidden,
                        .tokens = tokens,
                        .columns = hidden / heads,
                        .wide = round_up(hidden / heads, CHAIN_INPUTS),
                        .keys = round_up(tokens, CHAIN_INPUTS),
                        .by = 16 * softmax_scale(hidden / heads), /* v_power counts in sixteenths */
                        .at = cut_chain_scratch(scratch, &used, tokens, hidden / heads)};
    for (long h = 0; h < heads; h++) {
        head.queries = (element *)qkv + h * head.columns;
        widen_keys(&head, head.queries + hidden);
        widen_values(&head, head.queries + 2 * hidden);
        attend_head(&head);
    }
    for (long token = 0; token < tokens; token++)
        leave_elements((const element *)qkv + token * head.stride, hidden, next,
                       (char *)mixed + token * row_bytes(ACTIVATIONS, hidden));
}
