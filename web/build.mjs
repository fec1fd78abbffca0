/* build.mjs - web/src to web/dist: bundles with hashed names, compressed copies, a manifest for
 * the program that embeds them, and the size limit.
 *
 * dist/manifest.json: {"files":[{"path","type","immutable","size","gzip","br","sha256"}]}: `path`
 * is the address below the page's root, "index.html" also answers "/"; `immutable` files may be
 * cached for ever; path.gz and path.br lie beside each file when they are smaller.
 */
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { brotliCompressSync, gzipSync, constants } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const LIMIT = 70_000; // bytes, gzip: all script before mathematics is needed
const root = fileURLToPath(new URL('.', import.meta.url));
const src = join(root, 'src');
const final = join(root, 'dist');
const out = join(root, 'dist.new'); // takes the place of dist only if something changed
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json', '.txt': 'text/plain; charset=utf-8',
};
const common = {
  bundle: true, minify: true, charset: 'utf8', outdir: out, absWorkingDir: root, metafile: true, target: 'es2022', legalComments: 'none',
  entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', assetNames: '[name]-[hash]', logLevel: 'warning',
};

function named(result, source) {
  const hit = Object.entries(result.metafile.outputs).find(([, o]) => o.entryPoint === source);
  return basename(hit[0]);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const css = await build({ ...common, entryPoints: ['src/app.css', 'src/math.css'], loader: { '.woff2': 'file' } });
const js = await build({
  ...common, entryPoints: { app: 'src/main.tsx' }, format: 'esm', splitting: true, jsx: 'automatic', jsxImportSource: 'preact',
  define: { MATH_CSS: JSON.stringify(named(css, 'src/math.css')) },
});
const look = await build({ ...common, entryPoints: ['src/look.ts'], format: 'iife' });

const files = { 'app.js': named(js, 'src/main.tsx'), 'app.css': named(css, 'src/app.css'), 'look.js': named(look, 'src/look.ts') };

/* What the first drawing needs: the entry and what it imports statically. */
function closure(name) {
  const seen = new Set();
  for (const todo = [`dist.new/${name}`]; todo.length > 0; ) {
    const f = todo.pop();
    if (seen.has(f)) continue;
    seen.add(f);
    for (const i of js.metafile.outputs[f].imports) if (i.kind === 'import-statement') todo.push(i.path);
  }
  return [...seen].map((f) => basename(f));
}
const first = closure(files['app.js']);

const preload = first.filter((f) => f !== files['app.js']).map((f) => `<link rel="modulepreload" href="${f}">`).join('\n');
let html = readFileSync(join(src, 'index.html'), 'utf8').replace('{{preload}}\n', preload ? preload + '\n' : '');
html = html.replace(/\{\{([\w.]+)\}\}/g, (_, n) => files[n]);
writeFileSync(join(out, 'index.html'), html);
cpSync(join(src, 'icon.svg'), join(out, 'icon.svg'));
cpSync(join(src, 'tarn.webmanifest'), join(out, 'tarn.webmanifest'));

const all = readdirSync(out).filter((f) => f !== 'index.html').sort();
const stamp = createHash('sha256').update(html + all.join()).digest('hex').slice(0, 12);
await build({
  ...common, entryPoints: ['src/sw.ts'], entryNames: '[name]', format: 'iife',
  define: { BUILD: JSON.stringify(stamp), FILES: JSON.stringify([...first, files['app.css'], files['look.js'], 'icon.svg']) },
});

/* The licences of what is bundled, as they ask for. */
const parts = ['preact', '@preact/signals', '@preact/signals-core', 'marked', 'dompurify', 'highlight.js', 'temml', 'idb', 'uplot'];
const notices = parts.map((p) => {
  const dir = join(root, 'node_modules', p);
  const file = readdirSync(dir).find((f) => /^licen[cs]e/i.test(f));
  const { version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  return `${p} ${version} (${license})\n\n${file ? readFileSync(join(dir, file), 'utf8').trim() : license}\n`;
});
writeFileSync(join(out, 'licences.txt'), `The page contains these libraries.\n\n${notices.join('\n---\n\n')}`);

const list = readdirSync(out).sort().map((path) => {
  const bytes = readFileSync(join(out, path));
  const type = TYPES[/\.\w+$/.exec(path)[0]];
  const entry = { path, type, immutable: /-[0-9A-Z]{8}\.\w+$/.test(path), size: bytes.length, gzip: 0, br: 0, sha256: createHash('sha256').update(bytes).digest('hex') };
  if (path.endsWith('.woff2')) return entry;
  const packed = { gz: gzipSync(bytes, { level: 9 }), br: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }) };
  for (const [ext, data] of Object.entries(packed)) {
    if (data.length >= bytes.length) continue;
    writeFileSync(join(out, `${path}.${ext}`), data);
    entry[ext === 'gz' ? 'gzip' : 'br'] = data.length;
  }
  return entry;
});
const manifest = JSON.stringify({ files: list }, null, 1) + '\n';
writeFileSync(join(out, 'manifest.json'), manifest);

const of = (names, key) => list.filter((f) => names.includes(f.path)).reduce((s, f) => s + (f[key] || f.size), 0);
const start = [...first, files['look.js']];
const kB = (n) => (n / 1000).toFixed(1) + ' kB';
console.log(`script for the first drawing: ${kB(of(start, 'gzip'))} gzip, ${kB(of(start, 'br'))} brotli (limit ${kB(LIMIT)})`);
for (const f of list) console.log(`  ${f.path.padEnd(34)} ${String(f.size).padStart(7)} ${String(f.gzip || '').padStart(7)} ${String(f.br || '').padStart(7)}`);
if (of(start, 'gzip') > LIMIT) {
  console.error(`the script is larger than ${kB(LIMIT)}`);
  process.exit(1);
}

function before() {
  try {
    return readFileSync(join(final, 'manifest.json'), 'utf8');
  } catch {
    return '';
  }
}
if (before() === manifest) rmSync(out, { recursive: true }); // the program need not be linked again
else {
  rmSync(final, { recursive: true, force: true });
  renameSync(out, final);
}
