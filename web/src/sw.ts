/* sw.ts - lets the page open, and old conversations be read, while the server is away.
 *
 * Files with a hash in their name never change: from the cache if they are there. The page itself
 * comes from the server, from the cache only when the server does not answer. Everything else
 * (the API) is left alone.
 */
declare const BUILD: string; // names this build; older caches are dropped
declare const FILES: string[];

interface Waiting extends Event {
  waitUntil(p: Promise<unknown>): void;
}
interface Asked extends Waiting {
  request: Request;
  respondWith(r: Promise<Response>): void;
}

const NAME = `tarn-${BUILD}`;
const base = new URL('./', self.location.href);

self.addEventListener('install', (e) => {
  const first = ['./', ...FILES];
  (e as Waiting).waitUntil(caches.open(NAME).then((c) => c.addAll(first)));
});

self.addEventListener('activate', (e) => {
  const old = caches.keys().then((keys) =>
    Promise.all(keys.filter((k) => k.startsWith('tarn-') && k !== NAME).map((k) => caches.delete(k))),
  );
  (e as Waiting).waitUntil(old);
});

async function page(request: Request): Promise<Response> {
  try {
    const res = await fetch(request);
    if (res.ok) await (await caches.open(NAME)).put('./', res.clone());
    return res;
  } catch (e) {
    const kept = await caches.match('./');
    if (kept) return kept;
    throw e;
  }
}

async function file(request: Request): Promise<Response> {
  const kept = await caches.match(request);
  if (kept) return kept;
  const res = await fetch(request);
  if (res.ok) await (await caches.open(NAME)).put(request, res.clone());
  return res;
}

self.addEventListener('fetch', (event) => {
  const e = event as Asked;
  const url = new URL(e.request.url);
  if (e.request.method !== 'GET' || url.origin !== base.origin) return;
  if (url.pathname === base.pathname) e.respondWith(page(e.request));
  else if (/-[0-9A-Z]{8}\.(js|css|woff2)$/.test(url.pathname) || /\/(icon\.svg|tarn\.webmanifest)$/.test(url.pathname)) {
    e.respondWith(file(e.request));
  }
});
