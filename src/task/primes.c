/* primes.c - prime factors, or whether a number is prime. Keys: "factor 360", "prime 91". */
#include "task/gen.h"

static const char *const factor[TASK_PHRASINGS] = {
    "Write $1 as a product of primes.",
    "Find the prime factors of $1.",
    "Factor $1 into primes.",
    "What is the prime factorization of $1?",
    "Split $1 into prime factors.",
    "Which primes multiply to $1? Repeat a prime as often as needed.",
    "Give $1 as primes multiplied together.",
    "Break $1 down into its prime factors.",
    "What are the prime factors of $1?",
    "$1 is the product of which primes?",
    "Decompose $1 into prime numbers.",
    "Please factorize $1.",
    "Write the number $1 as prime factors.",
    "Find primes whose product is $1.",
    "Prime factors of $1?",
    "Tell me how $1 is made of primes.",
};
static const char *const prime[TASK_PHRASINGS] = {
    "Is $1 a prime number?",
    "Is $1 prime?",
    "Decide if $1 is prime. Answer yes or no.",
    "Does $1 have no divisors but 1 and itself?",
    "Can $1 be divided only by 1 and itself?",
    "Prime or not: $1? Answer yes or no.",
    "Would you call $1 a prime?",
    "Tell me whether $1 is a prime number.",
    "Is the number $1 prime? Say yes or no.",
    "Please check whether $1 is a prime.",
    "Is it true that $1 is a prime number?",
    "Prime number or not: what is $1? Answer yes or no.",
    "$1: is it prime?",
    "Is $1 a prime, with no divisor between 1 and itself?",
    "I wonder if $1 is prime. Is it?",
    "Is $1 among the prime numbers?",
};

static int smallest_factor(int n)
{
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0) return d;
    return n;
}

/* Whether some digits for the ? give a prime and others do not. */
static bool both_kinds(const char *shown)
{
    bool met[2] = {false, false};
    for (char d = shown[0] == '?' ? '1' : '0'; d <= '9'; d++) {
        int n = 0;
        for (size_t i = 0; shown[i]; i++) n = n * 10 + ((shown[i] == '?' ? d : shown[i]) - '0');
        if (n > 1) met[smallest_factor(n) == n] = true;
    }
    return met[0] && met[1];
}

static void say_factors(struct gen *g, int n)
{
    int rest = n, d = 2;
    bool first = true;
    struct buf *a = g->answer;
    while (rest > 1) {
        if (d * d > rest) {
            gen_say(g, "%d prime", rest);
            buf_printf(a, "%s%d", first ? "" : "*", rest);
            break;
        }
        if (rest % d) {
            d += d == 2 ? 1 : 2;
            continue;
        }
        gen_eq(g, rest / d, "%d/%d", rest, d);
        buf_printf(a, "%s%d", first ? "" : "*", d);
        first = false;
        rest /= d;
        gen_say(g, "%s*%d", buf_str(a), rest);
    }
    gen_check(g, "%s=%d", buf_str(a), n);
}

static void say_prime(struct gen *g, int n)
{
    for (int d = 2; d * d <= n; d += d == 2 ? 1 : 2) {
        if (n % d == 0) {
            gen_eq(g, n / d, "%d/%d", n, d);
            gen_say(g, "not prime");
            gen_answer(g, "no");
            return;
        }
        g->detail = true;
        gen_say(g, "%d/%d=%d r %d", n, d, n / d, n % d);
        g->detail = false;
    }
    gen_say(g, "no divisor up to the root");
    gen_answer(g, "yes");
}

static bool make(struct gen *g)
{
    static const int hi[] = {0, 60, 150, 400, 1000, 3000, 9000};
    bool is_factor = gen_below(g, 3) > 0;
    int n = gen_int(g, 4, hi[g->level]);
    if (is_factor && smallest_factor(n) == n) return false;
    if (!is_factor && (n % 2 == 0 || (g->level > 1 && n % 3 == 0))) return false;
    /* Half of the yes-or-no questions are about primes. */
    if (!is_factor && gen_coin(g) != (smallest_factor(n) == n)) return false;
    if (g->variant == TASK_TWIN) n += twin_int(g, 1, 600);
    if (is_factor && g->variant == TASK_TWIN && smallest_factor(n) == n) return false;
    struct txt shown = num(n);
    if (g->variant == TASK_ILL) {
        shown = gen_hide(g, n);
        if (!is_factor && !both_kinds(shown.s)) return false;
    }
    gen_key(g, "%s %s", is_factor ? "factor" : "prime", shown.s);
    gen_ask(g, is_factor ? factor : prime, shown.s);
    if (g->variant == TASK_ILL)
        gen_hidden(g, shown.s);
    else if (is_factor)
        say_factors(g, n);
    else
        say_prime(g, n);
    return true;
}

/* Primes joined by * x , or spaces, each may have ^k; their product must be n. */
static const char *check(const struct task_item *it, struct span a)
{
    int n;
    if (!key_ints(it, &n, 1)) return "the item has no number";
    if (span_starts(buf_span(&it->key), "prime")) return check_words(it, a);
    struct span w, rest = a;
    int64_t product = 1;
    bool gap = true; /* a factor may follow */
    while (rest.n) {
        char c = rest.p[0];
        if (c >= '0' && c <= '9') {
            int64_t p, k = 1;
            size_t len = 0;
            while (len < rest.n && rest.p[len] >= '0' && rest.p[len] <= '9') len++;
            w = (struct span){rest.p, len};
            if (!gap || !parse_int(w, &p) || p < 2 || p > n || smallest_factor((int)p) != p)
                return "not a list of primes";
            rest = (struct span){rest.p + len, rest.n - len};
            if (rest.n > 1 && rest.p[0] == '^') {
                for (len = 1; len < rest.n && rest.p[len] >= '0' && rest.p[len] <= '9';) len++;
                if (!parse_int((struct span){rest.p + 1, len - 1}, &k) || k < 1 || k > 30)
                    return "not a list of primes";
                rest = (struct span){rest.p + len, rest.n - len};
            }
            while (k-- > 0)
                if ((product *= p) > n) return "the product is another number";
            gap = false;
        } else {
            size_t blank = 0, sign = 0;
            while (rest.n && (rest.p[0] == ' ' || rest.p[0] == '*' || rest.p[0] == 'x' ||
                              rest.p[0] == ',' || span_starts(rest, "\xc3\x97"))) {
                size_t len = rest.p[0] == '\xc3' ? 2 : 1;
                if (rest.p[0] == ' ')
                    blank++;
                else
                    sign++;
                rest = (struct span){rest.p + len, rest.n - len};
            }
            if (sign > 1 || sign + blank == 0 || gap || !rest.n) return "not a list of primes";
            gap = true;
        }
    }
    if (product == n) return NULL;
    return "the product is another number";
}

const struct task_family task_primes = {"primes",
                                        "Prime factors and primality",
                                        "primes joined by *, or yes or no",
                                        'B',
                                        5,
                                        0.17,
                                        0xa2e8830d,
                                        make,
                                        check};
