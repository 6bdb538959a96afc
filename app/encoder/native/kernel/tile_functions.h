/* exp2 and GELU for the tiles' paths, by tables of sixteen that lie in a register: near tiles the core multiplies
 * floats at half speed, and looks up for nothing. Written in the names of vector_*.h; what may be NaN stands second, as
 * in functions.h. tests/unit/test_native_functions.py holds both against numpy and makes the first table again. */

/* Added to a number it leaves the nearest whole one in the lowest bits; as integers, too, such sums stand in order. */
#define WHOLE 12582912.0f
INLINE vector v_whole(vector x) { return v_add(x, v_all(WHOLE)); }

/* The powers of a softmax, of which no common factor matters: 23.08 × 2^(x / 16) within 2.4e-4 of it, relatively, for
 * finite x below 1900; `whole` is v_whole(x). Below -1984 it stays near 2^-124, which is nothing. x = n + r, |r| <=
 * 1/2; 2^(r/16) is nearly 1 + r ln 2 / 16; the table holds 2^(i/16) less what i itself adds where n / 16 is added to
 * the exponent. */
INLINE vector v_power(vector x, vector whole)
{
    static const float powers[16] = {
        1.0f, 0.990886867f, 0.982753873f, 0.97564429f, 0.969603539f, 0.964678884f,
        0.960919797f, 0.958377779f, 0.957106769f, 0.957163095f, 0.958605409f, 0.961495161f,
        0.965896428f, 0.971876085f, 0.979504049f, 0.988853276f,
    };
    vector r = v_subtract(x, v_subtract(whole, v_all(WHOLE)));
    vector grown = v_add_exponent(v_pick(powers, whole), v_later(whole, v_all(WHOLE - 1984)));
    return v_multiply(grown, v_add(r, v_all(23.0831207f)));
}

/* Whether a row of scores, the largest of which has this v_whole, can do without having it taken off: 2^±96 leaves room
 * for their sum, and for that of their values. */
INLINE int is_near_zero(float whole) { return whole >= WHOLE - 1536 && whole <= WHOLE + 1536; }

/* x Φ(x) within 5e-5 of it, for every finite x: x/2 + |x| q(|x|), q of degree 2 in each of 16 pieces 0.3 wide (the
 * first: half of that), 1/2 in the last. */
INLINE vector v_gelu_in_pieces(vector x)
{
    static const float squares[16] = {
        -0.00149323139f, -0.00528963609f, -0.00899747852f, -0.0107307155f, -0.0104363943f, -0.00870949496f,
        -0.00638239272f, -0.00415834785f, -0.00242685899f, -0.00127482484f, -0.000604745117f, -0.000259677297f,
        -0.00010110945f, -3.57454228e-05f, -1.14859458e-05f, 0.0f,
    };
    static const float slopes[16] = {
        0.120020725f, 0.11413949f, 0.099789694f, 0.0797830075f, 0.0583266616f, 0.0389908589f,
        0.0238336232f, 0.0133213559f, 0.00680827489f, 0.00318166986f, 0.00135956984f, 0.000531220983f,
        0.00018979075f, 6.20011488e-05f, 1.85202971e-05f, 0.0f,
    };
    static const float constants[16] = {
        -1.54904483e-05f, 0.117929555f, 0.225750953f, 0.315938324f, 0.384927034f, 0.433189839f,
        0.464067847f, 0.482134789f, 0.491802335f, 0.496533155f, 0.498650283f, 0.499516696f,
        0.499840975f, 0.499951929f, 0.499986678f, 0.5f,
    };
    vector size = v_absolute(x), by = v_all(1.0f / 0.3f), inside = v_min(v_all(15.4f * 0.3f), size);
    vector piece = v_fma(inside, by, v_all(WHOLE));
    vector r = v_fma(inside, by, v_subtract(v_all(WHOLE), piece));
    vector sum = v_fma(v_pick(squares, piece), r, v_pick(slopes, piece));
    sum = v_fma(sum, r, v_pick(constants, piece));
    return v_fma(size, sum, v_multiply(x, v_all(0.5f)));
}

INLINE vector v_activate_in_pieces(vector x, int activation)
{
    return activation == BERT_GELU ? v_gelu_in_pieces(x) : v_activate(x, activation);
}
