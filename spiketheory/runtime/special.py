r"""Special functions of floats, in the part of Python that Numba compiles.

`spiketheory.machine.compile` compiles the whole file at once; `spiketheory.runtime.special_mpmath`
has the same functions in arbitrary precision, from other formulas.

The functions ``decay_*`` belong to $x' = -x + I(t) y$, $y' = -x$ with $I(t) = I e^{-t/\nu}$: the
neuron $V' = V(V-1) + I(t)$, $I' = -I/\nu$ in the homogeneous coordinates $V = x/y$, time in units
of the membrane time constant. y solves $y'' + y' + I e^{-t/\nu} y = 0$: Bessel functions of order
$\nu$, elementary for $\nu = 1/2$. In $\zeta = 1 - e^{-t/\nu}$ its power series has the recurrence

$(n+2)(n+1) a_{n+2} = (n+1)(n+1-\nu) a_{n+1} - \nu^2 I a_n,$

and the singularity nearest to 0 is at $\zeta = 1$, $t = \infty$. Long times are made of steps in
which no term is larger than the first, up to where the current is so small that first order
perturbation theory is exact in floating point. A current so strong that this would take more than
some 10^5 steps is first followed by the asymptotic expansion, whose error is then less than what
rounding the phase does.
"""

import math

LARGEST_EXPONENT = 709.0
NEAR = 6.0
INVERSE_E_HIGH = 0.36787944117144233
INVERSE_E_LOW = -1.2428753672788363e-17
LN2 = 0.6931471805599453
TINY = 2.0**-58
TINY_SQUARE_ROOT = 2.0**-28
BIG = 2.0**300
SMALL = 2.0**-300
FORGOTTEN = 1000.0
LARGEST_PHASE = 200.0
MANY_TURNS = 2e5
MAX_TERMS = 200
SINC_SLOPE = tuple((-1) ** (k + 1) * (k + 1) / math.factorial(2 * k + 3) for k in range(13, -1, -1))
MAX_ROOT_STEPS = 200

Matrix = tuple[float, float, float, float]


def exp_dd(points: tuple[float, ...]) -> float:
    r"""Divided difference of exp, $\int e^{\sum_i \lambda_i p_i} d\lambda$ over the simplex.

    The usual recursion on the two extremes where they are far apart, and otherwise the power series
    about the smallest point, whose terms are all positive.

    Args:
        points: 1 to 6 floats in any order; a repeated point stands for a derivative.

    Returns:
        The divided difference, positive; 0 where it underflows, ``inf`` where it overflows.
    """
    last = len(points) - 1
    if last == 0:
        return exp_or_inf(points[0])
    if last == 1:
        return exp_dd2(min(points[0], points[last]), max(points[0], points[last]))
    a, b, c = sort3(points[0], points[1 % (last + 1)], points[2 % (last + 1)])
    if last == 2:
        return exp_dd3(a, b, c)
    d, e, f = sort3(points[3 % (last + 1)], get_node(points, 4), get_node(points, 5))
    a, b, c, d, e, f = merge3(a, b, c, d, e, f)
    if last == 3:
        return exp_dd4(a, b, c, d)
    if last == 4:
        return exp_dd5(a, b, c, d, e)
    return exp_dd6(a, b, c, d, e, f)


def exp_or_inf(x: float) -> float:
    """Exponential function, ``inf`` where it overflows."""
    return math.exp(x) if x <= LARGEST_EXPONENT else math.inf


def get_node(points: tuple[float, ...], i: int) -> float:
    """The i-th point, ``inf`` past the last one."""
    return points[i] if i < len(points) else math.inf


def sort3(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Three numbers in ascending order."""
    a, b = min(a, b), max(a, b)
    b, c = min(b, c), max(b, c)
    return min(a, b), max(a, b), c


def merge3(
    a: float, b: float, c: float, d: float, e: float, f: float
) -> tuple[float, float, float, float, float, float]:
    """Two ascending triples in one ascending order."""
    a, d = min(a, d), max(a, d)
    b, e = min(b, e), max(b, e)
    c, f = min(c, f), max(c, f)
    c, d = min(c, d), max(c, d)
    b, d = min(b, d), max(b, d)
    c, e = min(c, e), max(c, e)
    return a, min(b, c), max(b, c), min(d, e), max(d, e), f


def exp_dd2(a: float, b: float) -> float:
    """Divided difference of exp at a <= b."""
    return exp_or_inf(b) * (-math.expm1(a - b) / (b - a) if a < b else 1.0)


def exp_dd3(a: float, b: float, c: float) -> float:
    """Divided difference of exp at ascending points."""
    if c - a <= NEAR:
        return exp_or_inf(a) * near_series(2, b - a, c - a, 0.0, 0.0, 0.0)
    return (exp_dd2(b, c) - exp_dd2(a, b)) / (c - a)


def exp_dd4(a: float, b: float, c: float, d: float) -> float:
    """Divided difference of exp at ascending points."""
    if d - a <= NEAR:
        return exp_or_inf(a) * near_series(3, b - a, c - a, d - a, 0.0, 0.0)
    return (exp_dd3(b, c, d) - exp_dd3(a, b, c)) / (d - a)


def exp_dd5(a: float, b: float, c: float, d: float, e: float) -> float:
    """Divided difference of exp at ascending points."""
    if e - a <= NEAR:
        return exp_or_inf(a) * near_series(4, b - a, c - a, d - a, e - a, 0.0)
    return (exp_dd4(b, c, d, e) - exp_dd4(a, b, c, d)) / (e - a)


def exp_dd6(a: float, b: float, c: float, d: float, e: float, f: float) -> float:
    """Divided difference of exp at ascending points."""
    if f - a <= NEAR:
        return exp_or_inf(a) * near_series(5, b - a, c - a, d - a, e - a, f - a)
    return (exp_dd5(b, c, d, e, f) - exp_dd5(a, b, c, d, e)) / (f - a)


def near_series(order: int, p: float, q: float, r: float, s: float, t: float) -> float:
    r"""Divided difference of exp at 0 and the first ``order`` of five points, ascending from 0.

    $\sum_k h_k/(k+m)!$ for m points besides 0, with $h_k$ the complete homogeneous symmetric
    polynomials: $h_k$ of m points is $h_k$ of m - 1 points plus the last point times $h_{k-1}$.
    The k-th term is at most $p_m^k/k!$ times the first, and all are positive.
    """
    width = (p, q, r, s, t)[order - 1]
    p_term, q_term, r_term, s_term, t_term = 1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0
    total = (p_term, q_term, r_term, s_term, t_term)[order - 1]
    bound, k = 1.0, 0.0
    while bound > TINY or k < 2.0 * width:
        k += 1.0
        bound *= width / k
        p_term = p * p_term / (k + 1.0)
        q_term = (p_term + q * q_term) / (k + 2.0)
        if order == 2:
            total += q_term
            continue
        r_term = (q_term + r * r_term) / (k + 3.0)
        s_term = (r_term + s * s_term) / (k + 4.0)
        t_term = (s_term + t * t_term) / (k + 5.0)
        total += r_term if order == 3 else s_term if order == 4 else t_term
    return total


def lambert_w(x: float) -> float:
    """Principal branch of the inverse of w e^w; -1 for x <= -1/e.

    References:
        Fritsch, Shafer, Crowley, Comm. ACM 16, 123 (1973), a step of order four;
        Iacono, Boyd, Adv. Comput. Math. 43, 1403 (2017), the first guess.
    """
    if x < -0.3:
        return lambert_w_near_branch(x)
    if x == 0.0 or x == math.inf:
        return x
    log = math.log1p(x)
    w = log * (1.0 - math.log1p(log) / (2.0 + log))
    for _ in range(3):
        z = math.log(x / w) - w
        q = 2.0 * (1.0 + w) * (1.0 + w + z / 1.5)
        w += w * z / (1.0 + w) * (q - z) / (q - 2.0 * z)
    return w


def lambert_w_near_branch(x: float) -> float:
    r"""W(x) = u - 1 from $1 + e x = 1 + (u-1) e^u = \sum_{k \ge 2} u^k/(k (k-2)!)$ for x < 0."""
    delta = (x + INVERSE_E_HIGH) + INVERSE_E_LOW
    if delta <= 0.0:
        return -1.0
    delta *= math.e
    u = math.sqrt(2.0 * delta)
    u *= 1.0 - u / 3.0 + u * u * (11.0 / 72.0)
    for _ in range(4):
        power, value, k = u * u, 0.5 * u * u, 2
        while power > TINY * value:
            k += 1
            power *= u / (k - 2)
            value += power / k
        u -= (value - delta) / (u * math.exp(u))
    return u - 1.0


def decay_matrix(nu: float, current: float, time: float) -> Matrix:
    r"""Fundamental matrix of $x' = -x + I e^{-t/\nu} y$, $y' = -x$ up to one positive factor.

    Args:
        nu: Time constant of the current in units of the membrane's, positive.
        current: The current I at time 0, of any sign.
        time: Time t >= 0.

    Returns:
        ``(yy, yx, xy, xx)``: y(t) = yy y + yx x and x(t) = xy y + xx x, all times one positive
        factor, which is 1 unless the numbers would leave 2^-300 .. 2^300.
    """
    if nu == 0.5:
        return half_matrix(current, time)
    total = (1.0, 0.0, 0.0, 1.0)
    end = min(time, FORGOTTEN * max(1.0, nu))
    left, now = end, current
    while left > 0.0:
        jump = longest_jump(nu, now)
        step = exact_step(left, max(jump, longest_step(nu, now)))
        if step < left and is_faint(nu, now, TINY_SQUARE_ROOT):
            return multiply(faint_matrix(nu, now, left), total)
        if jump > 0.0 and step > longest_step(nu, now):
            matrix = jump_tangent(nu, now, step)[0]
        else:
            matrix = step_matrix(nu, now, step)
        total = rescale(multiply(matrix, total))
        left -= step
        now = current * math.exp((left - end) / nu)
    return total


def exact_step(left: float, longest: float) -> float:
    """A step near the longest one that can be taken off the time that is left without rounding."""
    return left - (left - longest) if longest < left else left


def half_matrix(current: float, time: float) -> Matrix:
    r"""`decay_matrix` for $\nu = 1/2$: a harmonic oscillator in $s = 1 - e^{-t}$."""
    s, z = -math.expm1(-time), math.exp(-time)
    frequency = math.sqrt(abs(current))
    phase = frequency * s
    if current >= 0.0:
        c, sine = math.cos(phase), math.sin(phase)
    elif phase < LARGEST_PHASE:
        c, sine = math.cosh(phase), math.sinh(phase)
    else:
        c, sine = 1.0, 1.0
    stretched = sine / frequency if phase > 0.0 else s
    return c, -stretched, z * math.copysign(frequency, current) * sine, z * c


def longest_step(nu: float, current: float) -> float:
    r"""Time in which $\zeta \le 1/2$, $t \le 1$ and $\sqrt{|I|} t \le 1$.

    No term of the series exceeds the first. By Sturm's comparison with y'' + y' + I y = 0, y has at
    most one zero in it.
    """
    return min(LN2 * nu, 1.0 / math.sqrt(max(1.0, abs(current))))


def is_faint(nu: float, current: float, limit: float) -> bool:
    """Whether what the current will ever do to a trajectory is at most ``limit``."""
    return abs(current) * nu <= limit


def multiply(a: Matrix, b: Matrix) -> Matrix:
    """Product of two matrices."""
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
    )


def add(a: Matrix, b: Matrix) -> Matrix:
    """Sum of two matrices."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def scale(a: Matrix, factor: float) -> Matrix:
    """Multiple of a matrix."""
    return a[0] * factor, a[1] * factor, a[2] * factor, a[3] * factor


def scale_factor(a: Matrix) -> float:
    """A power of two that keeps a matrix in range, mostly 1."""
    size = max(max(abs(a[0]), abs(a[1])), max(abs(a[2]), abs(a[3])))
    if size > BIG:
        return SMALL
    return BIG if size < SMALL else 1.0


def rescale(a: Matrix) -> Matrix:
    """Keep a matrix in range."""
    factor = scale_factor(a)
    return a if factor == 1.0 else scale(a, factor)


def step_matrix(nu: float, current: float, step: float) -> Matrix:
    r"""`decay_matrix` over a time of at most `longest_step`, by power series.

    The solution from (y, x) = (1, 0) is $1 + \nu^2 I \zeta^2 \sum a_n$, the one from (0, 1) is
    $\nu\zeta \sum b_n$, so that small entries keep their relative accuracy. Two successive terms
    bound all later ones: $|a_{n+2}| \le |a_{n+1}|/2 + |a_n|/6$.
    """
    zeta = -math.expm1(-step / nu)
    pull = nu * zeta * (nu * zeta) * current
    a0, a1 = 0.0, -0.5
    b0, b1 = -1.0, -0.5 * (1.0 - nu) * zeta
    a, slope_a = a1, 2.0 * a1
    b, slope_b = b0 + b1, b0 + 2.0 * b1
    for n in range(2, MAX_TERMS):
        share = 1.0 / (n * (n + 1.0))
        back, away = n * (n - nu) * zeta * share, pull * share
        a0, a1 = a1, back * a1 - away * a0
        b0, b1 = b1, back * b1 - away * b0
        a += a1
        b += b1
        slope_a += (n + 1.0) * a1
        slope_b += (n + 1.0) * b1
        if (n + 1.0) * (abs(a0) + abs(a1) + abs(b0) + abs(b1)) <= TINY:
            break
    decay = 1.0 - zeta
    return (
        1.0 + pull * a,
        nu * zeta * b,
        -decay * nu * zeta * current * slope_a,
        -decay * slope_b,
    )


def faint_matrix(nu: float, current: float, time: float) -> Matrix:
    """`decay_matrix` for a faint current: first order in I, second where the zeroth vanishes."""
    fall, wane = -time, -time / nu
    both, twice = fall + wane, 2.0 * wane
    push = current * time
    rush = push * time
    return (
        1.0 - rush * exp_dd((0.0, fall, wane)),
        math.expm1(fall) + rush * time * exp_dd((0.0, fall, wane, both)),
        push * exp_dd((fall, wane)) - push * rush * exp_dd((fall, wane, both, twice)),
        math.exp(fall)
        - rush * exp_dd((fall, wane, both))
        + rush * rush * exp_dd((fall, wane, both, twice, fall + twice)),
    )


def decay_matrix_slope(nu: float, current: float, time: float) -> tuple[float, ...]:
    """`decay_matrix` and its derivatives by the current; the common factor counts as constant.

    Returns:
        8 numbers: the matrix (yy, yx, xy, xx), its derivatives by the current.
    """
    if nu == 0.5:
        return half_slope(current, time)
    return decay_matrix_tangent(nu, current, time)[:8]


def half_slope(current: float, time: float) -> tuple[float, ...]:
    r"""`decay_matrix_slope` for $\nu = 1/2$, with $C = \cos\sqrt q$, $S = s\,\mathrm{sinc}\sqrt q$.

    In $q = I s^2$ both are entire, and $C' = -\mathrm{sinc}/2$.
    """
    s, z = -math.expm1(-time), math.exp(-time)
    yy, yx, xy, xx = half_matrix(current, time)
    q = current * s * s
    bend = s * s * s * sinc_slope_near(q) if abs(q) < 2.0 else 0.5 * (s * yy + yx) / current
    lean = 0.5 * s * yx
    return yy, yx, xy, xx, lean, -bend, 0.5 * z * (s * yy - yx), z * lean


def decay_matrix_tangent(
    nu: float, current: float, time: float
) -> tuple[float, float, float, float, float, float, float, float, float, float, float, float]:
    """`decay_matrix` and its derivatives; the common factor counts as constant.

    Returns:
        12 numbers: the matrix (yy, yx, xy, xx), its derivatives by the current, those by nu.
    """
    total, by_current, by_nu = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)
    end = min(time, FORGOTTEN * max(1.0, nu))
    left, share = end, 1.0
    while left > 0.0:
        now = current * share
        jump = longest_jump(nu, now)
        step = exact_step(left, max(jump, longest_step(nu, now)))
        if step < left and is_faint(nu, now, TINY):
            step = left
            matrix, d_now, d_nu = faint_tangent(nu, now, step)
        elif jump > 0.0 and step > longest_step(nu, now):
            matrix, d_now, d_nu = jump_tangent(nu, now, step)
        else:
            matrix = step_matrix(nu, now, step)
            d_now, d_nu = step_tangent(nu, now, step)
        d_current = scale(d_now, share)
        d_nu = add(d_nu, scale(d_now, now * (end - left) / (nu * nu)))
        by_current = add(multiply(d_current, total), multiply(matrix, by_current))
        by_nu = add(multiply(d_nu, total), multiply(matrix, by_nu))
        total = multiply(matrix, total)
        factor = scale_factor(total)
        if factor != 1.0:
            total, by_current = scale(total, factor), scale(by_current, factor)
            by_nu = scale(by_nu, factor)
        left -= step
        share = math.exp((left - end) / nu)
    return total + by_current + by_nu


def step_tangent(nu: float, current: float, step: float) -> tuple[Matrix, Matrix]:
    """Derivatives of `step_matrix` by the current and by nu."""
    zeta = -math.expm1(-step / nu)
    length = nu * zeta
    pull = length * length * current
    e, slope_e, f, slope_f = tangent_series(nu, pull, zeta, 1.0, 0.0)
    g, slope_g, h, slope_h = tangent_series(nu, pull, zeta, 0.0, -1.0)
    decay = 1.0 - zeta
    bend = current * zeta * zeta
    return (
        (
            length * length * e,
            length * length * length * g,
            -decay * length * slope_e,
            -decay * length * length * slope_g,
        ),
        (
            bend * length * f,
            bend * length * length * h,
            -decay * bend * slope_f,
            -decay * bend * length * slope_h,
        ),
    )


def tangent_series(nu: float, pull: float, zeta: float, a0: float, a1: float) -> Matrix:
    r"""Derivatives of one solution by I and $\nu$ at fixed time, without cancellation.

    They solve y's equation with the inhomogeneities $-\nu^2 y$ and $-\nu I L y$ in its form in
    $\zeta$, where $L = -\log(1-\zeta) = t/\nu$. The terms c of L y and d of L y_zeta follow from
    $(1-\zeta) (L y)' = y + (1-\zeta) L y'$ and
    $(1-\zeta) (L y')' = y' + (1-\nu) L y' - \nu^2 I L y$.

    Args:
        nu: Order.
        pull: $\nu^2 I \zeta^2$.
        zeta: Place.
        a0: First term of the solution.
        a1: Second term.

    Returns:
        The sum of $e_n$, that of $n e_n$, and the same of f: derivatives in units of
        $\nu^2\zeta^2$ and of $\nu I \zeta^3$.
    """
    e0, e1, f0, f1 = 0.0, 0.0, 0.0, 0.0
    c0, c1, d0, d1 = 0.0, a0, 0.0, a1
    e, slope_e, f, slope_f = 0.0, 0.0, 0.0, 0.0
    previous_c = 0.0
    for n in range(1, MAX_TERMS):
        share = 1.0 / (n * (n + 1.0))
        back, away = n * (n - nu) * zeta * share, pull * share
        previous_a, previous_c = a0, c0
        a0, a1 = a1, back * a1 - away * a0
        e0, e1 = e1, back * e1 - away * e0 - share * previous_a
        f0, f1 = f1, back * f1 - away * f0 - share * previous_c
        next_d = ((n + 1.0 - nu) * zeta * d1 - pull * c1) / (n + 1.0) + a1
        c0, c1 = c1, (n * zeta * c1 + a0 + d1 - zeta * d0) / (n + 1.0)
        d0, d1 = d1, next_d
        e += e1
        f += f1
        slope_e += (n + 1.0) * e1
        slope_f += (n + 1.0) * f1
        drive = abs(a0) + abs(a1) + abs(c0) + abs(c1) + abs(d0) + abs(d1)
        if (n + 1.0) * (drive + abs(e0) + abs(e1) + abs(f0) + abs(f1)) <= TINY:
            break
    return e, slope_e, f, slope_f


def faint_tangent(nu: float, current: float, time: float) -> tuple[Matrix, Matrix, Matrix]:
    """`faint_matrix` and its derivatives by the current and by nu, in first order."""
    fall, wane = -time, -time / nu
    both = fall + wane
    square = time * time
    by_current = (
        -square * exp_dd((0.0, fall, wane)),
        square * time * exp_dd((0.0, fall, wane, both)),
        time * exp_dd((fall, wane)),
        -square * exp_dd((fall, wane, both)),
    )
    by_wane = (
        -square * exp_dd((0.0, fall, wane, wane)),
        square
        * time
        * (exp_dd((0.0, fall, wane, wane, both)) + exp_dd((0.0, fall, wane, both, both))),
        time * exp_dd((fall, wane, wane)),
        -square * (exp_dd((fall, wane, wane, both)) + exp_dd((fall, wane, both, both))),
    )
    free = (1.0, math.expm1(fall), 0.0, math.exp(fall))
    return (
        add(free, scale(by_current, current)),
        by_current,
        scale(by_wane, current * time / (nu * nu)),
    )


def longest_jump(nu: float, current: float) -> float:
    r"""Time for which $\xi = 2\nu\sqrt{|I|}$ stays so large that asymptotics is exact; or 0."""
    large = MANY_TURNS * max(1.0, nu)
    phase = 2.0 * nu * math.sqrt(abs(current))
    return 2.0 * nu * math.log(phase / large) if phase > 2.0 * large else 0.0


def jump_tangent(nu: float, current: float, time: float) -> tuple[Matrix, Matrix, Matrix]:
    r"""`decay_matrix` and derivatives by current and nu for a strong current.

    $y = \xi^{\nu - 1/2} \cos\theta$ and its shift by $\pi/2$, or cosh and sinh for I < 0, with
    $\theta = \xi \pm (4\nu^2-1)/(8\xi)$, to relative $O(\xi^{-2})$; the power, and $e^\theta$
    where that is large, is left out as a common factor (DLMF 10.17, 10.40).
    """
    k0 = math.sqrt(abs(current))
    fall = math.exp(-0.5 * time / nu)
    k1 = k0 * fall
    sign = 1.0 if current > 0.0 else -1.0
    q = sign * (4.0 * nu * nu - 1.0) / 8.0
    main, minor = (
        -2.0 * nu * k0 * math.expm1(-0.5 * time / nu),
        0.5 * q / nu * (1.0 / k0 - 1.0 / k1),
    )
    phase = main + minor
    if current > 0.0:
        c, s = math.cos(phase), math.sin(phase)
    elif phase < LARGEST_PHASE:
        c, s = math.cosh(phase), math.sinh(phase)
    else:
        c, s = 1.0, 1.0
    lean = 0.5 - 0.25 / nu
    yy, yx = c + s * lean / k0, -s / k0
    matrix = (yy, yx, k1 * (sign * s - c * lean / k0) + lean * yy, fall * c + lean * yx)
    share = 0.5 / current
    by_current = jump_slope(k0, k1, lean, sign, c, s, k0 * share, 0.0, 0.0, (main - minor) * share)
    d_fall = 0.5 * time / (nu * nu)
    d_main = 2.0 * (k0 - k1 - nu * k1 * d_fall)
    d_minor = 0.5 * sign * (0.5 + 0.125 / (nu * nu)) * (1.0 / k0 - 1.0 / k1) + 0.5 * q / nu * (
        d_fall / k1
    )
    by_nu = jump_slope(k0, k1, lean, sign, c, s, 0.0, d_fall, 0.25 / (nu * nu), d_main + d_minor)
    return matrix, by_current, add(by_nu, scale(matrix, -0.5 * d_fall))


def jump_slope(
    k0: float,
    k1: float,
    lean: float,
    sign: float,
    c: float,
    s: float,
    d_k0: float,
    d_fall: float,
    d_lean: float,
    d_phase: float,
) -> Matrix:
    """Derivative of `jump_tangent`'s matrix from those of what it is made of."""
    fall = k1 / k0
    d_c, d_s = -sign * s * d_phase, c * d_phase
    yy, yx = c + s * lean / k0, -s / k0
    d_yy = d_c + (d_s * lean + s * d_lean - s * lean * d_k0 / k0) / k0
    d_yx = (-d_s + s * d_k0 / k0) / k0
    d_k1 = fall * d_k0 + k1 * d_fall
    d_xy = d_k1 * sign * s + k1 * sign * d_s - fall * (d_c * lean + c * d_lean + c * lean * d_fall)
    d_xx = fall * (d_c + c * d_fall)
    return (
        d_yy,
        d_yx,
        d_xy + d_lean * yy + lean * d_yy,
        d_xx + d_lean * yx + lean * d_yx,
    )


def decay_wait(nu: float, x: float, y: float, current: float) -> float:
    r"""Time to the first zero of y after time 0, for $x' = -x + I e^{-t/\nu} y$, $y' = -x$.

    Args:
        nu: Time constant of the current in units of the membrane's, positive.
        x: Coordinate x.
        y: Coordinate y; positive, or 0 with x < 0 (just after a spike).
        current: The current I at time 0, of any sign.

    Returns:
        Waiting time; ``inf`` if y stays positive; 0 if y < 0, or y = 0 and x >= 0.
    """
    if y < 0.0 or (y == 0.0 and x >= 0.0):
        return 0.0
    if nu == 0.5:
        return half_wait(x, y, current)
    passed, now = 0.0, current
    while not is_trapped(x, y, now):
        if is_faint(nu, now, TINY):
            return passed + free_wait(x, y)
        step = passed + longest_step(nu, now) - passed
        matrix = step_matrix(nu, now, step)
        new_y = matrix[0] * y + matrix[1] * x
        if new_y <= 0.0:
            return passed + wait_in_step(nu, x, y, now, step)
        x, y = matrix[2] * y + matrix[3] * x, new_y
        factor = scale_factor((x, y, x, y))
        x, y = x * factor, y * factor
        passed += step
        now = current * math.exp(-passed / nu)
    return math.inf


def decay_side(nu: float, x: float, y: float, current: float, time: float) -> float:
    """A number below 0 if y has its first zero before ``time``, else at least 0; see `decay_wait`.

    For some orders the sign is known without that zero (`spiketheory.runtime.special_half`).
    """
    return decay_wait(nu, x, y, current) - time


def half_wait(x: float, y: float, current: float) -> float:
    r"""`decay_wait` for $\nu = 1/2$: where the oscillator in $s = 1 - e^{-t}$ crosses 0."""
    frequency = math.sqrt(abs(current))
    if current > 0.0:
        s = math.atan2(frequency * y, x) / frequency
    elif x <= frequency * y:
        return math.inf
    elif current < 0.0 and y > 0.0:
        s = math.atanh(frequency * y / x) / frequency
    else:
        s = y / x if y < x else 1.0  # a tiny x would overflow
    return -math.log1p(-s) if s < 1.0 else math.inf


def is_trapped(x: float, y: float, current: float) -> bool:
    """Whether V = x/y is below an unstable fixed point that will not fall below V: no spike.

    For I > 0 the fixed point 1/2 + sqrt(1/4 - I) rises as the current decays; for I <= 0 it falls
    to 1.
    """
    if current <= 0.0:
        return x <= y
    return current <= 0.25 and x <= y * (0.5 + math.sqrt(0.25 - current))


def free_wait(x: float, y: float) -> float:
    """`decay_wait` without current: y - x (1 - exp(-t)) = 0."""
    return -math.log1p(-y / x) if x > y else math.inf


def wait_in_step(nu: float, x: float, y: float, current: float, step: float) -> float:
    """The zero of y in a step at whose end y <= 0: Newton's method, to the last bit."""
    low, high = 0.0, step
    time = y / x if x * step > y else 0.5 * step
    for _ in range(MAX_ROOT_STEPS):
        matrix = step_matrix(nu, current, time)
        height = matrix[0] * y + matrix[1] * x
        fall = matrix[2] * y + matrix[3] * x
        if height > 0.0:
            low = time
        else:
            high = time
        guess = time + height / fall if fall != 0.0 else low
        if guess == time:
            return time
        if not low < guess < high:
            guess = 0.5 * (low + high)
            if guess <= low or guess >= high:
                return high
        time = guess
    return time


def sinc_slope_near(q: float) -> float:
    """Derivative of sin(sqrt(q))/sqrt(q) by q near 0: -sum (k + 1) (-q)^k / (2 k + 3)!."""
    total = 0.0
    for coefficient in SINC_SLOPE:
        total = total * q + coefficient
    return total


def sinc_slope(q: float) -> float:
    """Derivative of sin(sqrt(q))/sqrt(q) by q, times exp(-sqrt(-q)) where q < 0.

    An entire function of q but for that factor; -1/6 at q = 0.
    """
    if abs(q) < 2.0:
        total = sinc_slope_near(q)
        return total * math.exp(-math.sqrt(-q)) if q < 0.0 else total
    root = math.sqrt(abs(q))
    if q > 0.0:
        return (math.cos(root) - math.sin(root) / root) / (2.0 * q)
    fade = math.exp(-2.0 * root)
    return ((1.0 + fade) / 2.0 - (1.0 - fade) / (2.0 * root)) / (2.0 * q)
