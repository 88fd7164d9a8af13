"""The C functions that a model may need: no heap, no mathematics library, doubles as IEEE 754 has them."""

from __future__ import annotations

NEEDS = {
    "sigmoid": ("exp",), "tanh": ("exp",), "erf": ("exp",), "find": ("order",), "date": ("floor",), "sin": ("floor",),
    "cos": ("floor", "sin"),
}  # fmt: skip

FUNCTIONS = {
    "is_nan": "static int mw_is_nan(double x) { return x != x; }",
    "is_infinite": "static int mw_is_infinite(double x) { return x - x != 0 && x == x; }",
    "relu": "static double mw_relu(double x) { return x < 0 ? 0 : x; }",
    "abs": "static double mw_abs(double x) { return x < 0 ? -x : x; }",
    "floor": """static double mw_floor(double x) {
  double whole;
  if (!(x > -4503599627370496.0 && x < 4503599627370496.0)) return x;
  whole = (double)(int64_t)x;
  return whole > x ? whole - 1 : whole;
}""",
    "exp": """/* e to the power of x: 2^n times a series over at most half of log 2 */
static double mw_exp(double x) {
  int n, left;
  double rest, sum, power;
  if (x != x) return x;
  if (x > 709.78) return INFINITY;
  if (x < -745.0) return 0;
  n = (int)(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5));
  rest = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
  sum = 1;
  for (left = 13; left > 0; --left) sum = 1 + rest * sum / left;
  power = n < 0 ? 0.5 : 2.0;
  for (left = n < 0 ? -n : n; left; left >>= 1) {
    if (left & 1) sum *= power;
    power *= power;
  }
  return sum;
}""",
    "log": """/* A power of two taken out, then a series in (x - 1) / (x + 1), which is 0.172 at most */
static double mw_log(double x) {
  double part, squared, term, sum = 0;
  int n = 0, k;
  if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
  if (x > 1.7976931348623157e308) return x;
  while (x >= 1.4142135623730951) { x /= 2; ++n; }
  while (x < 0.7071067811865476) { x *= 2; --n; }
  part = (x - 1) / (x + 1);
  squared = part * part;
  for (term = part, k = 1; k < 25; k += 2) {
    sum += term / k;
    term *= squared;
  }
  return 2 * sum + n * 0.6931471805599453;
}""",
    "sigmoid": """static double mw_sigmoid(double x) {
  const double tail = mw_exp(x < 0 ? x : -x);
  return x < 0 ? tail / (1 + tail) : 1 / (1 + tail);
}""",
    "tanh": """static double mw_tanh(double x) {
  const double tail = mw_exp(x < 0 ? 2 * x : -2 * x);
  return x < 0 ? (tail - 1) / (1 + tail) : (1 - tail) / (1 + tail);
}""",
    "erf": """/* Abramowitz and Stegun 7.1.26: 1.5e-7 at most away */
static double mw_erf(double x) {
  const double size = x < 0 ? -x : x, t = 1 / (1 + 0.3275911 * size);
  const double sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const double made = 1 - sum * mw_exp(-size * size);
  return x < 0 ? -made : made;
}""",
    "sqrt": """static double mw_sqrt(double x) {
  double scale = 1, root;
  int n;
  if (!(x > 0)) return x == 0 ? x : NAN;
  if (x > 1.7976931348623157e308) return x;
  while (x >= 4) { x /= 4; scale *= 2; }
  while (x < 1) { x *= 4; scale /= 2; }
  root = 0.5 + 0.5 * x;
  for (n = 0; n < 6; ++n) root = 0.5 * (root + x / root);
  return root * scale;
}""",
    "sin": """/* A series over at most half a turn */
static double mw_sin(double x) {
  const double turns = mw_floor(x * 0.15915494309189535 + 0.5);
  const double rest = (x - turns * 6.283185307179586232) - turns * 2.449293598294706414e-16;
  const double squared = rest * rest;
  double term = rest, sum = rest;
  int n;
  for (n = 2; n < 26; n += 2) {
    term *= -squared / (n * (n + 1));
    sum += term;
  }
  return sum;
}""",
    "cos": "static double mw_cos(double x) { return mw_sin(x + 1.5707963267948966); }",
    "date": """/* A part of a moment in seconds since 1970 (Hinnant, Low-Level Date Algorithms) */
static double mw_date(double seconds, double origin, int part) {
  const double days = mw_floor(seconds / 86400), shifted = days + 719468, era = mw_floor(shifted / 146097);
  const double of_era = shifted - era * 146097;
  const double leaps = mw_floor(of_era / 1460) - mw_floor(of_era / 36524) + mw_floor(of_era / 146096);
  const double year_of_era = mw_floor((of_era - leaps) / 365);
  const double from_march = of_era - year_of_era * 365 - mw_floor(year_of_era / 4) + mw_floor(year_of_era / 100);
  const double from_month = mw_floor((from_march * 5 + 2) / 153), wraps = mw_floor(from_month / 10);
  const double year = year_of_era + era * 400 + wraps, past = year - 1;
  switch (part) {
    case 0: return year;
    case 1: return from_month + 3 - wraps * 12;
    case 2: return from_march - mw_floor((from_month * 153 + 2) / 5) + 1;
    case 3: return days + 3 - mw_floor((days + 3) / 7) * 7;
    case 4: return mw_floor((seconds - days * 86400) / 3600);
    case 5: return days - past * 365 - mw_floor(past / 4) + mw_floor(past / 100) - mw_floor(past / 400) + 719163;
    default: return (seconds - origin) / 86400;
  }
}""",
    "order": """static int mw_is_blank(char letter) { return letter == ' ' || (letter >= '\\t' && letter <= '\\r'); }

/* How a cell stands to a text: blanks around it do not count, and a run of blanks is one. */
static int mw_order(const char *cell, const char *text, int fold) {
  int one, other;
  while (mw_is_blank(*cell)) ++cell;
  for (;; ++text) {
    if (mw_is_blank(*cell)) {
      while (mw_is_blank(*cell)) ++cell;
      one = *cell ? ' ' : 0;
    } else {
      one = (unsigned char)*cell;
      if (one) ++cell;
    }
    other = (unsigned char)*text;
    if (fold && one >= 'A' && one <= 'Z') one += 'a' - 'A';
    if (one != other || !other) return one - other;
  }
}""",
    "find": """/* The place of a cell in a sorted list of texts; -1 when it is not there. */
static int mw_find(const uint8_t *texts, const uint32_t *starts, int n, const char *cell) {
  int low = 0, high = n;
  while (low < high) {
    const int middle = low + (high - low) / 2, order = mw_order(cell, (const char *)texts + starts[middle], 0);
    if (order == 0) return middle;
    if (order > 0) low = middle + 1; else high = middle;
  }
  return -1;
}""",
}
"""By name, each after what it needs."""


def support(names: set[str]) -> str:
    """The C of these functions and of those that they need.

    >>> support({"relu"})
    'static double mw_relu(double x) { return x < 0 ? 0 : x; }'
    """
    wanted = set(names)
    for name in names:
        wanted.update(NEEDS.get(name, ()))
    return "\n\n".join(text for name, text in FUNCTIONS.items() if name in wanted)
