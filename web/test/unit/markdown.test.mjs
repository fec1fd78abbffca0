/* Markdown to HTML: formulas in all spellings, nothing of the model's HTML. (What the sanitiser
 * does is tested in the browser.) */
import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from './load.mjs';

const { toHtml } = await load('render/markdown.ts');
const inline = (s) => `<code class="tex">${s}</code>`;
const display = (s) => `<code class="tex display">${s}</code>`;
const has = (md, html) => assert.ok(toHtml(md).includes(html), `${md}\n->\n${toHtml(md)}`);
const hasNot = (md, html) => assert.ok(!toHtml(md).includes(html), `${md}\n->\n${toHtml(md)}`);

test('formulas', () => {
  has('$x_1 + y_2$', inline('x_1 + y_2'));
  has('\\(a*b*c\\)', inline('a*b*c'));
  has('$$a < b$$', display('a &lt; b'));
  has('\\[\nx\n\\]', display('x'));
  has('text\n$$\nx\n$$\nmore', display('x'));
  has('in a line $$x$$ too', display('x'));
  has('\\begin{align}\na &= b\\\\\n\\end{align}', display('\\begin{align}\na &amp;= b\\\\\n\\end{align}'));
  has('**Answer: $\\boxed{5}$**', inline('\\boxed{5}'));
  has('| $a$ |\n|---|\n| \\(b\\) |', inline('b'));
  has('- item $x$', inline('x'));
  has('$\\text{cost} = \\$5$', inline('\\text{cost} = \\$5'));
  has('$f(x)$-th', inline('f(x)'));
});

test('money and escapes are not formulas', () => {
  for (const md of ['It costs $5 and $6.', 'from $5 to $10', 'a $ b $ c', '\\$x\\$', '`$x$`', 'US$ 5, US$ 6']) hasNot(md, 'class="tex"');
});

test('products and powers keep their stars, emphasis stays emphasis', () => {
  for (const md of ['6*4=24\n60*4=240', 'x*y and a*b', '2*(3+4) = (1+6)*2', 'a[1]*b[2]']) hasNot(md, '<em>');
  has('6*4=24\n60*4=240', '6*4=24<br>60*4=240');
  hasNot('2**3 and 4**5', '<strong>');
  has('an *important* step', '<em>important</em>');
  has('**6*7** is 42', '<strong>6*7</strong>');
  has('这是*重点*内容', '<em>重点</em>');
  has('a **bold**, *slanted* word', '<strong>bold</strong>, <em>slanted</em>');
});

test('HTML is text', () => {
  hasNot('<script>alert(1)</script>', '<script');
  hasNot('<img src=x onerror=a()>', '<img');
  hasNot('a <b>c</b>', '<b>');
  hasNot('<!-- x -->', '<!--');
});

test('links say where they lead; images are not loaded', () => {
  has('[paper](https://example.org/a)', 'rel="noopener noreferrer nofollow"');
  has('[paper](https://example.org/a)', '<span class="host">example.org</span>');
  hasNot('<https://example.org/a>', 'class="host"');
  hasNot('[x](javascript:alert(1))', '<a');
  hasNot('[x](data:text/html,x)', '<a');
  hasNot('![x](https://example.org/p.png)', '<img');
  has('![x](https://example.org/p.png)', '(example.org)');
});
