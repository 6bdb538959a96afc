/* One text's attention on the tile unit, head by head, a tile of queries at a time. ../README.md draws it. In int8 what
 * a head has mixed takes its queries' place, until all heads' are there and become a row of bytes.
 *
 * Tiles are formed a text at a time, a row's reductions stay in fixed lanes, and keys past a text's end have weight 0:
 * so a text's vector is the same to the bit alone or in company. */

INLINE int is_near(const struct query_tile *tile, long r) { return is_near_zero(v_latest(tile->latest[r])); }

/* The largest score of each row of a tile. */
static void find_largest(const struct head *head, struct query_tile *tile, struct block *block, float *largest)
{
    for (long r = 0; r < tile->rows; r++)
        largest[r] = -INFINITY;
    for (long key = 0; key < head->tokens; key += BLOCK_KEYS) {
        begin_block(head, block, tile, key);
        score_rest(head, block);
        for (long r = 0; r < tile->rows; r++)
            for (long k = 0; k < block->keys; k++) {
                float x = block->scores[(k / TILE_SIDE * TILE_SIDE + r) * TILE_SIDE + k % TILE_SIDE] * head->by;
                largest[r] = largest[r] > x ? largest[r] : x;
            }
    }
}

/* A tile in which some rows' largest score is far from 0, once more, with that taken off first. Few models have any, so
 * without haste. */
static __attribute__((noinline)) void attend_far_tile(const struct head *head, struct query_tile *tile)
{
    struct block block;
    float shifts[TILE_SIDE];
    find_largest(head, tile, &block, shifts);
    for (long r = 0; r < tile->rows; r++)
        if (is_near(tile, r))
            shifts[r] = 0;
    begin_tile(head, tile, tile->row);
    for (long key = 0; key < head->tokens; key += BLOCK_KEYS) {
        begin_block(head, &block, tile, key);
        score_rest(head, &block);
        for (long r = 0; r < tile->rows; r++)
            softmax_row(head, &block, r, shifts[r]);
        mix_rest(head, &block);
    }
}

/* All blocks of a tile are mixed: divide by the weights' sums, and leave. */
INLINE void finish_tile(const struct head *head, struct query_tile *tile)
{
    int all_near = 1;
    for (long r = 0; r < tile->rows; r++)
        all_near &= is_near(tile, r);
    if (!all_near)
        attend_far_tile(head, tile);
    for (long r = 0; r < tile->rows; r++) {
        const vector share = v_all(1.0f / v_sum_16(&tile->sums[r]));
        element *to = head->mixed + (tile->row + r) * head->mixed_stride;
        for (long i = 0; i < head->columns; i += LANES)
            store(to + i, v_multiply(v_load(tile->mixed + r * head->columns + i), share));
    }
}

/* The block after this one: of the same tile, or the next tile's first; NULL after the last. */
static struct block *next_block(const struct head *head, const struct block *here, struct block *blocks,
                                struct query_tile *tiles)
{
    struct block *next = &blocks[(here - blocks + 1) % 3];
    struct query_tile *tile = here->tile;
    if (here->key + BLOCK_KEYS < head->tokens) {
        begin_block(head, next, tile, here->key + BLOCK_KEYS);
        return next;
    }
    if (tile->row + head->tiling.height >= head->tokens)
        return NULL;
    struct query_tile *next_tile = &tiles[(tile - tiles + 1) % 3];
    begin_tile(head, next_tile, tile->row + head->tiling.height);
    begin_block(head, next, next_tile, 0);
    return next;
}

static void attend_head(const struct head *given)
{
    const struct head head = *given;
    struct query_tile tiles[3];
    struct block blocks[3], *before = NULL, *here = blocks;
    begin_tile(&head, tiles, 0);
    begin_block(&head, here, tiles, 0);
    score_rest(&head, here);
    while (here) {
        struct block *next = next_block(&head, here, blocks, tiles);
        for (long r = 0; r < here->tile->rows; r++) {
            softmax_row(&head, here, r, 0);
            if (next && r % 4 == 0)
                score_some(&head, next);
            else if (next && r % 4 == 2)
                store_scores(next);
            else if (before)
                mix_some(&head, before);
        }
        if (next)
            score_rest(&head, next);
        if (before) {
            mix_rest(&head, before);
            if (before->tile != here->tile)
                finish_tile(&head, before->tile);
        }
        before = here;
        here = next;
    }
    mix_rest(&head, before);
    finish_tile(&head, before->tile);
}

static void attend(void *qkv, long tokens, long hidden, long heads, void *scratch, const struct bert_linear *next,
                   void *mixed)
{
    (void)next;
    const long columns = hidden / heads, stride = row_stride(3 * hidden);
    size_t used = 0;
    make_whole(scratch, attention_bytes(tokens, columns));
    struct head head = {.stride = stride,
                        .tokens = tokens,
                        .columns = columns,
                        .steps = (columns + TILE_PRODUCT - 1) / TILE_PRODUCT,
                        .value_steps = (tokens + TILE_PRODUCT - 1) / TILE_PRODUCT,
                        .panels = columns / BERT_COLUMNS,
                        .by = 16 * softmax_scale(columns), /* v_power counts in sixteenths */
                        .tiling = tile_rows(tokens),
                        .at = cut_tile_scratch(scratch, &used, tokens, columns),
                        .mixed_stride = EIGHT ? stride : row_stride(hidden)};
    shape_tiles(head.tiling.height);
    for (long h = 0; h < heads; h++) {
        head.queries = (const element *)qkv + h * columns;
        head.mixed = EIGHT ? (element *)qkv + h * columns : (element *)mixed + h * columns;
        pack_keys(head.queries + hidden, stride, tokens, columns, head.at.keys);
        pack_values(head.queries + 2 * hidden, stride, tokens, columns, head.at.values);
        attend_head(&head);
    }
    release_tiles();
#if EIGHT
    for (long token = 0; token < tokens; token++)
        leave_elements((const element *)qkv + token * stride, hidden, next,
                       (char *)mixed + token * row_bytes(ACTIVATIONS, hidden));
#endif
}
