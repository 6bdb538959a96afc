/* Attention's parts on the tile unit: keys and values as tiles, and a block of keys' way past one tile of queries:
 * scored, softmaxed, mixed. tile_attention.h has the order in which they take turns. */

#define MOST_HEAD_COLUMNS 256 /* checks.h refuses wider heads */

/* Keys that are gone through at once, so that all of it stays in the first cache: scores are 4 tiles, weights 2. */
#define BLOCK_KEYS 64
#define BLOCK_SCORES (TILE_SIDE * BLOCK_KEYS)
/* Panels of the values whose sums stay in tiles from block to block: tmm1 to tmm4. */
#define PANELS_IN_TILES 4

/* Scratch of one head: keys [tokens / 16][steps] and values [columns / 16][tokens / 32] as tiles of weights. */
struct tile_scratch {
    uint16_t *keys, *values;
};

static struct tile_scratch cut_tile_scratch(void *scratch, size_t *used, long tokens, long columns)
{
    size_t wide = (size_t)round_up(tokens, TILE_PRODUCT);
    struct tile_scratch parts;
    parts.keys = cut(scratch, used, wide * (size_t)round_up(columns, TILE_PRODUCT) * sizeof(uint16_t));
    parts.values = cut(scratch, used, wide * (size_t)columns * sizeof(uint16_t));
    return parts;
}

static size_t attention_bytes(long tokens, long columns)
{
    size_t used = 0;
    cut_tile_scratch(NULL, &used, tokens, columns);
    return used;
}

/* Keys turned round, so that scores are a product like any other: 16 tokens are a tile's columns, pairs of the head's
 * columns its rows; missing columns are zeros. Tokens past the end are what happens to lie there. */
static void pack_keys(const element *keys, long stride, long tokens, long head, uint16_t *tiles)
{
    for (long token = 0; token < tokens; token += TILE_SIDE)
        for (long column = 0; column < head; column += TILE_PRODUCT, tiles += TILE_BYTES / sizeof(uint16_t))
            v_turn(keys + token * stride + column, stride, head - column < TILE_PRODUCT, tiles);
}

/* Pairs of tokens are a tile's rows; missing tokens are zeros. */
static void pack_values(const element *values, long stride, long tokens, long head, uint16_t *tiles)
{
    static const element zeros[BERT_COLUMNS];
    const long all = round_up(tokens, TILE_PRODUCT);
    for (long column = 0; column < head; column += BERT_COLUMNS)
        for (long token = 0; token < all; token += STEP, tiles += BERT_COLUMNS * STEP) {
            const element *first = values + token * stride + column;
            v_store_pairs(tiles, token < tokens ? first : zeros, token + 1 < tokens ? first + stride : zeros);
        }
}

/* One head of one text. */
struct head {
    const element *queries;
    long stride, tokens, columns, steps, value_steps, panels;
    float by; /* scores to what v_power takes */
    struct tiling tiling;
    struct tile_scratch at;
    element *mixed;
    long mixed_stride;
};

/* A tile of queries on its way through all keys. */
struct query_tile {
    _Alignas(BERT_ALIGNMENT) float mixed[TILE_SIDE * MOST_HEAD_COLUMNS];
    vector sums[TILE_SIDE], latest[TILE_SIDE]; /* of each row's weights; of the wholes of its scores */
    long row, rows;
};

/* The same with a block of keys: first it is scored, then softmaxed, then mixed. The tile unit does the first for the
 * block to come and the last for the block before, a little after each row that the vectors softmax. */
struct block {
    _Alignas(BERT_ALIGNMENT) float scores[BLOCK_SCORES];
    _Alignas(BERT_ALIGNMENT) uint16_t weights[BLOCK_SCORES];
    struct query_tile *tile;
    long key, keys; /* the first, and how many: BLOCK_KEYS, or what is left of them */
    long scored, stored; /* tiles of 16 keys */
    long mixed_steps, panel; /* of 32 keys, for the panels from this one on */
};

static void begin_tile(const struct head *head, struct query_tile *tile, long row)
{
    tile->row = row;
    tile->rows = head->tokens - row < head->tiling.height ? head->tokens - row : head->tiling.height;
    for (long r = 0; r < TILE_SIDE; r++) {
        tile->sums[r] = v_zero();
        tile->latest[r] = v_all(-INFINITY);
    }
}

static void begin_block(const struct head *head, struct block *block, struct query_tile *tile, long key)
{
    block->tile = tile;
    block->key = key;
    block->keys = head->tokens - key < BLOCK_KEYS ? head->tokens - key : BLOCK_KEYS;
    block->scored = block->stored = block->mixed_steps = block->panel = 0;
}

/* The next product of queries and 16 keys. */
INLINE void score_some(const struct head *head, struct block *block)
{
    if (block->scored * TILE_SIDE >= block->keys)
        return;
    const char *queries = (const char *)(head->queries + block->tile->row * head->stride);
    const long key = block->key / TILE_SIDE + block->scored++;
    const char *keys = (const char *)head->at.keys + key * head->steps * TILE_BYTES;
    TILE_ZERO(0);
    for (long step = 0; step < head->steps; step++) {
        TILE_LOAD(5, queries + step * TILE_ROW_BYTES, head->stride * (long)sizeof(element));
        TILE_LOAD(6, keys + step * TILE_BYTES, TILE_ROW_BYTES);
        TILE_MULTIPLY(0, 5, 6);
    }
}

/* Stores the last product, which was begun long enough ago for none to wait for it. */
INLINE void store_scores(struct block *block)
{
    if (block->stored < block->scored)
        TILE_STORE(0, block->scores + block->stored++ * TILE_SIDE * TILE_SIDE, TILE_ROW_BYTES);
}

/* `what`(tile, place) for each of up to four panels whose sums are in tmm1 to tmm4. */
#define EACH_PANEL(count, what) \
    do {                        \
        what(1, 0);             \
        if ((count) > 1)        \
            what(2, 1);         \
        if ((count) > 2)        \
            what(3, 2);         \
        if ((count) > 3)        \
            what(4, 3);         \
    } while (0)
#define CLEAR(t, place) TILE_ZERO(t)
#define FETCH(t, place) TILE_LOAD(t, sums + (place) * BERT_COLUMNS, row_bytes)
#define PUT(t, place) TILE_STORE(t, sums + (place) * BERT_COLUMNS, row_bytes)
#define MIX(t, place)                                                             \
    do {                                                                          \
        TILE_LOAD(7, values + (place) * head->value_steps * TILE_BYTES, TILE_ROW_BYTES); \
        TILE_MULTIPLY(t, 5, 7);                                                   \
    } while (0)

/* The next 32 keys' products of weights and values, for four panels. Where a head has more, their sums take turns in
 * the tiles; else they stay there from block to block. */
INLINE void mix_some(const struct head *head, struct block *block)
{
    const long panel = block->panel, count = head->panels - panel, row_bytes = head->columns * (long)sizeof(float);
    if (count <= 0)
        return;
    float *sums = block->tile->mixed + panel * BERT_COLUMNS;
    const long key = block->key / TILE_PRODUCT + block->mixed_steps;
    const char *values = (const char *)head->at.values + (panel * head->value_steps + key) * TILE_BYTES;
    const int takes_turns = head->panels > PANELS_IN_TILES;
    if (key == 0)
        EACH_PANEL(count, CLEAR);
    else if (takes_turns && block->mixed_steps == 0)
        EACH_PANEL(count, FETCH);
    TILE_LOAD(5, block->weights + block->mixed_steps * TILE_SIDE * TILE_PRODUCT, TILE_ROW_BYTES);
    EACH_PANEL(count, MIX);
    if (++block->mixed_steps * TILE_PRODUCT < block->keys)
        return;
    if (takes_turns || block->key + block->keys == head->tokens)
        EACH_PANEL(count, PUT);
    block->mixed_steps = 0;
    block->panel += PANELS_IN_TILES;
}

static void score_rest(const struct head *head, struct block *block)
{
    store_scores(block);
    while (block->scored * TILE_SIDE < block->keys) {
        score_some(head, block);
        store_scores(block);
    }
}

static void mix_rest(const struct head *head, struct block *block)
{
    while (block->panel < head->panels)
        mix_some(head, block);
}

/* 32 of a row's scores to weights of values, not divided by their sum; `count` of them are there. */
INLINE void softmax_32(const struct head *head, struct block *block, long r, long first, long count, float shift)
{
    struct query_tile *tile = block->tile;
    const float *scores = block->scores + first * TILE_SIDE + r * TILE_SIDE;
    vector power[2];
    UNROLL for (int half = 0; half < 2; half++) {
        const long here = count - half * LANES;
        vector x = v_multiply(v_load(scores + half * TILE_SIDE * TILE_SIDE), v_all(head->by));
        x = v_subtract(x, v_all(shift));
        vector whole = v_whole(x);
        power[half] = v_power(x, whole);
        if (count < TILE_PRODUCT) {
            whole = v_first_lanes(whole, here < 0 ? 0 : here, v_all(-INFINITY));
            power[half] = v_first_lanes(power[half], here < 0 ? 0 : here, v_zero());
        }
        tile->latest[r] = v_later(tile->latest[r], whole);
    }
    v_store_bf16_twice(block->weights + (first + 2 * r) * TILE_SIDE, power[0], power[1]);
    tile->sums[r] = v_add(tile->sums[r], v_add(power[0], power[1]));
}

INLINE void softmax_row(const struct head *head, struct block *block, long r, float shift)
{
    if (block->keys == BLOCK_KEYS) {
        softmax_32(head, block, r, 0, TILE_PRODUCT, shift);
        softmax_32(head, block, r, TILE_PRODUCT, TILE_PRODUCT, shift);
        return;
    }
    for (long key = 0; key < block->keys; key += TILE_PRODUCT)
        softmax_32(head, block, r, key, block->keys - key, shift);
}
