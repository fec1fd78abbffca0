/* watch.ts - keeps an eye on the server: is it there, is the model loaded, what does it offer.
 * Asked every second while something is missing, every 20 seconds otherwise, not in hidden tabs. */
import { hasStore } from '../store/remote.ts';
import { ApiError } from '../wire/http.ts';
import { health, listModels, listPrices } from '../wire/server.ts';
import { syncWithServer } from './history.ts';
import { hasRemoteStore, loadProgress, models, prices, server, type Server } from './state.ts';

const SLOW_MS = 20_000;
const FAST_MS = 1000;

async function look(): Promise<Server> {
  try {
    const h = await health(AbortSignal.timeout(5000));
    loadProgress.value = h.progress;
    if (!h.ok) return 'loading';
    if (server.value !== 'ready') await greet();
    return 'ready';
  } catch (e) {
    return e instanceof ApiError && (e.status === 401 || e.status === 403) ? 'locked' : 'gone';
  }
}

async function greet(): Promise<void> {
  models.value = await listModels();
  listPrices().then((p) => (prices.value = p), () => undefined); // only some keys may see them
  hasRemoteStore.value = await hasStore();
  void syncWithServer().catch(() => undefined);
}

export function watchServer(): void {
  let timer = 0;
  const round = async (): Promise<void> => {
    clearTimeout(timer);
    if (!document.hidden) server.value = await look();
    timer = window.setTimeout(() => void round(), server.value === 'ready' ? SLOW_MS : FAST_MS);
  };
  void round();
  addEventListener('online', () => void round());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void round();
  });
}

