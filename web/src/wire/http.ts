/* http.ts - one door to the server: addresses relative to the page, the key, errors as objects.
 *
 * Nothing else in the page calls fetch, but for the health check, whose error is an answer. The page never contacts any other host; the server's
 * content security policy (connect-src 'self') enforces it.
 */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** The connection broke or never came to be; what arrived before it is still good. */
export class ConnectionLost extends Error {}

let key = '';
export function setKey(k: string): void {
  key = k.trim();
}

interface Options {
  method?: string;
  json?: unknown;
  signal?: AbortSignal;
  keepalive?: boolean;
}

export async function call(path: string, o: Options = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  if (key) headers['authorization'] = `Bearer ${key}`;
  const init: RequestInit = { method: o.method ?? (o.json === undefined ? 'GET' : 'POST'), headers };
  if (o.json !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(o.json);
  }
  if (o.signal) init.signal = o.signal;
  if (o.keepalive) init.keepalive = true;
  let res: Response;
  try {
    res = await fetch(new URL(path, document.baseURI), init);
  } catch (e) {
    if (o.signal?.aborted) throw e;
    throw new ConnectionLost(String(e));
  }
  if (!res.ok) throw await errorOf(res);
  return res;
}

export async function getJson<T>(path: string, o: Options = {}): Promise<T> {
  return (await (await call(path, o)).json()) as T;
}

async function errorOf(res: Response): Promise<ApiError> {
  const after = Number(res.headers.get('retry-after'));
  const retry = Number.isFinite(after) && after > 0 ? after : null;
  try {
    const body = (await res.json()) as { error?: unknown };
    const e = errorBody(body);
    if (e) return new ApiError(e.message, res.status, e.code, retry);
  } catch {
    /* not JSON: a proxy's page, an empty body; the status line must do */
  }
  return new ApiError(`${res.status} ${res.statusText}`.trim(), res.status, null, retry);
}

/** The error of an answer or of a stream's event, or null. */
export function errorBody(body: unknown): { message: string; code: string | null } | null {
  if (typeof body !== 'object' || body === null || !('error' in body)) return null;
  const e: unknown = body.error;
  if (typeof e === 'string') return { message: e, code: null };
  if (typeof e !== 'object' || e === null) return null;
  const { message, code } = e as { message?: unknown; code?: unknown };
  return {
    message: typeof message === 'string' ? message : JSON.stringify(e),
    code: typeof code === 'string' ? code : null,
  };
}
