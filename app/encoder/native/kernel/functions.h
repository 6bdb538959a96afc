/* exp2, erf and their kin on vectors, written in the names of vector_*.h. v_max and v_min give their second argument if
 * either is no number, so what may be NaN stands second: it must not come out as an ordinary number. */

/* 2 to the x, within 2e-7 of it, for x below 127. Below -125 the result is 2e-38, which is nothing beside a softmax's
 * largest term, 1, and yet no subnormal number. x = n + r exactly, |r| <= 1/2; the polynomial is the Chebyshev
 * interpolation of (2^r - 1) / r, times r, plus 1. */
INLINE vector v_exp2(vector x)
{
    x = v_max(v_all(-125.0f), x);
    vector n = v_nearest(x), r = v_subtract(x, n);
    vector sum = v_all(0.00133813025f);
    sum = v_fma(sum, r, v_all(0.00966636852f));
    sum = v_fma(sum, r, v_all(0.0555038101f));
    sum = v_fma(sum, r, v_all(0.24022349f));
    sum = v_fma(sum, r, v_all(0.693147181f));
    sum = v_fma(sum, r, v_all(1.0f));
    return v_scale(sum, n);
}

/* tanh x = 1 - 2 / (e^2x + 1), within 3e-7. */
INLINE vector v_tanh(vector x)
{
    vector grown = v_exp2(v_multiply(v_all(2.88539008f), v_max(v_all(-20.0f), v_min(v_all(20.0f), x))));
    return v_subtract(v_all(1.0f), v_divide(v_all(2.0f), v_add(grown, v_all(1.0f))));
}

/* x Φ(x), Φ the normal distribution: the exact GELU. Φ(x) - 1/2 = x P(x²) for |x| <= 5, where Φ is 0 or 1 to 3e-7;
 * P is a Chebyshev interpolation of degree 12 over u = 2x²/5² - 1 (coefficients: tests/unit/test_native_functions.py
 * computes them again). Within 2e-6 of the true value, 3e-7 on average over |x| < 4. */
INLINE vector v_gelu(vector x)
{
    static const float coefficients[] = {
        0.000705952991f, -0.00167403098f, 0.00146263157f, -0.00253432234f, 0.00666780895f, -0.0112997434f,
        0.0162870702f, -0.0232163442f, 0.031464872f, -0.0404507113f, 0.0515189416f, -0.0702959372f,
        0.141363805f,
    };
    vector z = v_max(v_min(x, v_all(5.0f)), v_all(-5.0f));
    vector u = v_fma(v_multiply(z, z), v_all(2.0f / (5.0f * 5.0f)), v_all(-1.0f));
    /* Even and odd powers apart: two short chains of sums instead of a long one. */
    vector uu = v_multiply(u, u), even = v_all(coefficients[0]), odd = v_all(coefficients[1]);
    UNROLL for (int i = 2; i < 13; i += 2)
        even = v_fma(even, uu, v_all(coefficients[i]));
    UNROLL for (int i = 3; i < 13; i += 2)
        odd = v_fma(odd, uu, v_all(coefficients[i]));
    vector sum = v_fma(odd, u, even);
    return v_multiply(v_max(v_all(-5.0f), x), v_fma(z, sum, v_all(0.5f)));
}

/* The approximation that some models were trained with: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))). */
INLINE vector v_gelu_tanh(vector x)
{
    vector cube = v_multiply(v_multiply(x, x), x);
    vector inner = v_multiply(v_all(0.797884561f), v_fma(cube, v_all(0.044715f), x));
    return v_multiply(v_multiply(x, v_all(0.5f)), v_add(v_all(1.0f), v_tanh(inner)));
}

INLINE vector v_activate(vector x, int activation)
{
    switch (activation) {
    case BERT_GELU: return v_gelu(x);
    case BERT_GELU_TANH: return v_gelu_tanh(x);
    case BERT_RELU: return v_max(v_zero(), x);
    case BERT_TANH: return v_tanh(x);
    default: return x;
    }
}
